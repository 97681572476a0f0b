// Opens pages of `entopic tag --format html` and of `entopic serve` in Chromium and checks them from outside: the marks are
// the entities, links jump, nothing hostile runs, no network is used, and axe finds no accessibility problem.
//
//   node check.mjs ENTOPIC ARTICLE [SCREENSHOT]

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import fs from "node:fs";
import { createRequire } from "node:module";
import os from "node:os";
import path from "node:path";
import readline from "node:readline";
import { pathToFileURL } from "node:url";

import puppeteer from "puppeteer-core";

const [entopic, article, screenshot] = process.argv.slice(2);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "entopic-browser-"));
const axe = fs.readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const chromium = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(fs.existsSync);
assert(chromium, "no Chromium is installed (Debian: apt-get install chromium)");

// The maximum number of bytes of the article's page.
const LARGEST = 100_000;

const HOSTILE = [
  "<script>window.hostile = 1</script> Angela Merkel said <img src=x onerror='window.hostile=2'> in Berlin.",
  "</div></main><iframe src='javascript:parent.hostile=3'></iframe> & &lt; &#60; Joe Biden\r\nlived\tin \u202EOslo\u202C.",
  "<a href='javascript:window.hostile=4'>Paris</a> \"quoted\" 'single' --> ]]> <style>*{display:none}</style> <base href=http://127.0.0.1:9/>",
  "<svg onload=window.hostile=5> <link rel=stylesheet href=http://127.0.0.1:9/x.css> <meta http-equiv=refresh content='0;url=http://127.0.0.1:9/'>",
].join("\n\n");

function run(...args) {
  return execFileSync(entopic, args, { encoding: "utf8", maxBuffer: 1 << 28 });
}

/** Tags a text; gives the page's address, its document, and the text as HTML has it. */
function tagged(name, file, ...options) {
  const page = path.join(folder, `${name}.html`);
  run("tag", file, "--format", "html", "-o", page, ...options);
  const document = JSON.parse(run("tag", file, "--format", "json", "--groups", ...options));
  return { address: pathToFileURL(page).href, document, text: fs.readFileSync(file, "utf8"), bytes: fs.statSync(page).size };
}

const browser = await puppeteer.launch({ executablePath: chromium, args: ["--no-sandbox"] });

/** Opens an address; every request but that for the page itself is noted and refused. */
async function open(address) {
  const page = await browser.newPage();
  await page.setViewport({ width: 1200, height: 900 });
  const faults = [];
  page.on("dialog", (dialog) => { faults.push(`a dialog says ${dialog.message()}`); dialog.dismiss(); });
  page.on("pageerror", (error) => faults.push(`an error: ${error.message}`));
  page.on("console", (message) => { if (message.type() === "error") faults.push(`the console says: ${message.text()}`); });
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    if (request.url() === address || request.url().startsWith("data:")) return request.continue();
    faults.push(`a request for ${request.url()}`);
    return request.abort();
  });
  await page.goto(address);
  return { page, faults };
}

/** axe's findings in light, dark and forced colours. */
async function barriers(page) {
  await page.evaluate(axe);
  const found = [];
  for (const features of [
    [{ name: "prefers-color-scheme", value: "light" }],
    [{ name: "prefers-color-scheme", value: "dark" }],
  ]) {
    await page.emulateMediaFeatures(features);
    const { violations } = await page.evaluate(() => axe.run(document, { rules: { "target-size": { enabled: true } } }));
    for (const { id, nodes } of violations) found.push(`${features[0].value}: ${id}: ${nodes[0].html.slice(0, 200)} ${nodes[0].failureSummary}`);
  }
  await page.emulateMediaFeatures([]);
  return found;
}

async function check(name, { address, document, text }) {
  const { page, faults } = await open(address);
  const seen = await page.evaluate(() => {
    const shown = (element) => {
      const copy = element.cloneNode(true);
      copy.querySelectorAll(".tip").forEach((tip) => tip.remove());
      return copy.textContent;
    };
    return {
      text: shown(document.querySelector(".text")),
      marks: [...document.querySelectorAll(".text mark")].map((mark) => [mark.dataset.label, shown(mark)]),
      groups: [...document.querySelectorAll(".names li")].map((item) => [item.querySelector("mark").textContent, item.querySelectorAll(".places a").length]),
      topics: [...document.querySelectorAll(".topics li > span:first-child")].map((label) => label.textContent),
      scripts: document.querySelectorAll("script, iframe, img, object, embed, base, svg, link[rel=stylesheet], meta[http-equiv=refresh]").length,
    };
  });
  assert.equal(seen.text, text, `${name}: the text should be the document's`);
  assert.deepEqual(seen.marks, document.entities.map((entity) => [entity.label, entity.text]), `${name}: marks`);
  assert.deepEqual(seen.groups, document.groups.map((group) => [group.name, group.mentions.length]), `${name}: groups`);
  assert.deepEqual(seen.topics.sort(), document.topics.map((topic) => topic.label).sort(), `${name}: topics`);
  assert.equal(seen.scripts, 0, `${name}: nothing of the text should be an element`);
  assert.equal(await page.evaluate(() => window.hostile), undefined, `${name}: a script of the text ran`);

  // From a group to its last mention, and from there back.
  const links = await page.$$(".names li:first-child .places a");
  const last = links.at(-1);
  const target = await last.evaluate((link) => link.getAttribute("href"));
  await last.click();
  const jumped = await page.evaluate((target) => {
    const box = document.querySelector(target).getBoundingClientRect();
    return { hash: location.hash, visible: box.top >= 0 && box.bottom <= innerHeight, is: document.querySelector(":target")?.id };
  }, target);
  assert.deepEqual(jumped, { hash: target, visible: true, is: target.slice(1) }, `${name}: a jump`);
  await page.focus(`${target} a`);
  const tip = await page.$eval(`${target} .tip`, (tip) => ({ width: tip.getBoundingClientRect().width, text: tip.textContent }));
  assert(tip.width > 20 && /\d+ %$/.test(tip.text), `${name}: the score should be seen on focus`);
  await page.keyboard.press("Enter");
  assert.match(await page.evaluate(() => location.hash), /^#g\d+$/, `${name}: back to the group`);

  // A label's marks can be switched off, and the keyboard reaches the switch first.
  const { page: fresh } = await open(address);
  await fresh.keyboard.press("Tab");
  assert.equal(await fresh.evaluate(() => document.activeElement.id), "k0", `${name}: the first stop of the keyboard`);
  const colour = () => fresh.$eval(".text .k0", (mark) => getComputedStyle(mark).backgroundColor);
  const before = await colour();
  await fresh.keyboard.press("Space");
  assert.notEqual(await colour(), before, `${name}: a switch`);
  await fresh.close();

  const found = await barriers(page);
  assert.deepEqual(found, [], `${name}: axe`);
  assert.deepEqual(faults, [], name);
  await page.close();
}

/** Starts a service on a free port and gives its process and its address. */
async function serve() {
  const service = spawn(entopic, ["serve", "--listen", "127.0.0.1:0"], { stdio: ["ignore", "ignore", "pipe"] });
  for await (const line of readline.createInterface({ input: service.stderr })) {
    const address = line.match(/^listening on (http:.*)$/)?.[1];
    if (address) return { service, address: `${address}/` };
  }
  throw new Error("the service does not say where it is");
}

/** Types a text into the form of the service, by the keyboard alone, and looks at the page that it answers with. */
async function checkForm(text) {
  const { service, address } = await serve();
  try {
    const { page, faults } = await open(address);
    assert.deepEqual(await barriers(page), [], "form: axe");
    assert.equal(await page.evaluate(() => document.activeElement.id), "text", "form: the first stop of the keyboard");
    await page.$eval("#text", (area, text) => { area.value = text; }, text);
    await page.keyboard.press("Tab");
    await page.keyboard.type("politics, <script>window.hostile=8</script>");
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    const seen = await page.evaluate(() => ({
      marks: document.querySelectorAll(".text mark").length,
      topics: [...document.querySelectorAll(".topics li > span:first-child")].map((label) => label.textContent),
      hostile: window.hostile,
    }));
    assert(seen.marks > 0, "form: there should be marks");
    assert.deepEqual(seen.topics.sort(), ["<script>window.hostile=8</script>", "politics"], "form: topics");
    assert.equal(seen.hostile, undefined, "form: a script of the text ran");
    assert.deepEqual(await barriers(page), [], "form: axe of the answer");
    assert.deepEqual(faults, [], "form");
    await page.goto(address);
    await page.type("#text", "Ada Lovelace");
    await page.type("#labels", "a,a");
    await Promise.all([page.waitForNavigation(), page.keyboard.press("Enter")]);
    assert.match(await page.$eval("[role=alert]", (wrong) => wrong.textContent), /"a"/, "form: what is wrong");
    assert.deepEqual(await barriers(page), [], "form: axe of a refusal");
  } finally {
    service.kill("SIGTERM");
  }
}

try {
  const news = tagged("article", article);
  assert(news.bytes < LARGEST, `the article's page has ${news.bytes} bytes`);
  await check("article", news);

  const hostile = path.join(folder, "hostile.txt");
  fs.writeFileSync(hostile, HOSTILE);
  const labels = ["--topic", "<script>window.hostile=6</script>", "--topic", "\"><img src=x onerror=window.hostile=7>"];
  await check("hostile", tagged("hostile", hostile, ...labels));

  const pages = path.join(folder, "pages");
  run("tag", article, hostile, "--format", "html", "-o", `${pages}/`);
  const { page, faults } = await open(pathToFileURL(path.join(pages, "index.html")).href);
  assert.equal((await page.$$("tbody tr")).length, 2);
  assert.deepEqual(await barriers(page), [], "index: axe");
  assert.deepEqual(faults, [], "index");

  await checkForm(fs.readFileSync(hostile, "utf8"));

  if (screenshot) {
    const { page } = await open(news.address);
    await page.setViewport({ width: 1100, height: 620 });
    await page.screenshot({ path: screenshot });
  }
  console.log(`the article's page has ${news.bytes} bytes; ${news.document.entities.length} marks; all checks passed`);
} finally {
  await browser.close();
  fs.rmSync(folder, { recursive: true });
}
