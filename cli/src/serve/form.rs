//! The HTML form for people, at the root.

use axum::http::header::{CONTENT_SECURITY_POLICY, HeaderName};
use axum::response::{Html, IntoResponse};
use entopic::Label;
use maud::{DOCTYPE, html};
use serde::Deserialize;

use super::labels;
use super::refusal::Refusal;
use super::requests::{Answer, Asked};
use super::work::{Search, Wanted};
use crate::args::models::ALL;

/// The fields of the form.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Fields {
    text: String,
    labels: String,
    multi_label: Option<String>,
    built_in: Option<String>,
    token: Option<String>,
}

impl Fields {
    pub(super) fn read(body: &[u8]) -> Result<Self, Refusal> {
        serde_urlencoded::from_bytes(body)
            .map_err(|error| Refusal::input(format!("the form is invalid: {error}")))
    }

    pub(super) fn token(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub(super) fn asked(&self) -> Result<Asked, Refusal> {
        let labels = self.labels.split(',').map(str::trim).filter(|label| !label.is_empty());
        labels::check(labels.clone().count(), self.labels.len()).map_err(Refusal::input)?;
        let labels: Vec<Label> = labels.map(Label::from).collect();
        let wanted = Wanted {
            labels: (!labels.is_empty()).then_some(labels),
            multi_label: self.multi_label.as_ref().map(|_| true),
            built_in: self.built_in.iter().map(|_| ALL.to_owned()).collect(),
            ..Wanted::new(Search::Both)
        };
        Ok(Asked { texts: [self.text.clone()].into(), is_one: true, wanted, answer: Answer::Html(None) })
    }
}

/// The form with its `fields` filled in, and a message that says what is `wrong` with them.
pub(super) fn page(has_token: bool, fields: &Fields, wrong: Option<&str>) -> impl IntoResponse + use<> {
    const STYLE: &str = ":root{color-scheme:light dark}body{margin:1rem auto;max-width:48rem;padding:0 1rem;font:1rem/1.6 system-ui,sans-serif}\
        label{display:block;margin:.75rem 0 .25rem}label.box{display:inline-block;margin-right:1.5rem}\
        textarea,input[type=text],input[type=password]{box-sizing:border-box;width:100%;font:inherit;padding:.4rem}\
        button{font:inherit;margin-top:1rem;padding:.4rem 1.5rem}.wrong{border-left:.25rem solid #c62828;padding-left:.75rem}";
    const POLICY: [(HeaderName, &str); 1] = [(
        CONTENT_SECURITY_POLICY,
        "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    )];
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                link rel="icon" href="data:,";
                title { "entopic" }
                style { (STYLE) }
            }
            body {
                main {
                    h1 { "Entities and topics" }
                    @if let Some(wrong) = wrong { p.wrong role="alert" { (wrong) } }
                    form method="post" action="/" {
                        label for="text" { "Text" }
                        textarea id="text" name="text" rows="16" required autofocus { "\n" (fields.text) }
                        label for="labels" { "Topics, separated by commas (by default those of the service)" }
                        input id="labels" name="labels" type="text" value=(fields.labels);
                        @if has_token {
                            label for="token" { "Token" }
                            input id="token" name="token" type="password" required autocomplete="current-password";
                        }
                        label.box { input type="checkbox" name="multi_label" value="1" checked[fields.multi_label.is_some()]; " Several topics may fit, or none" }
                        label.box { input type="checkbox" name="built_in" value="1" checked[fields.built_in.is_some()]; " Also dates, amounts, addresses and numbers" }
                        div { button type="submit" { "Tag" } }
                    }
                }
            }
        }
    };
    (POLICY, Html(page.into_string()))
}
