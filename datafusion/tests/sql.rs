//! The functions in queries, with the bundled models, against the library's own calls.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};

use datafusion::arrow::array::{
    Array, ArrayRef, AsArray, LargeStringArray, ListArray, RecordBatch, StringArray, StringViewArray,
    StructArray,
};
use datafusion::arrow::datatypes::{DataType, Float32Type, Int64Type};
use datafusion::arrow::util::pretty::pretty_format_batches;
use datafusion::dataframe::DataFrameWriteOptions;
use datafusion::datasource::MemTable;
use datafusion::prelude::{ParquetReadOptions, SessionConfig, SessionContext};
use entopic::{Limits, Redaction, Tagger};
use entopic_datafusion::{Functions, planning_functions};
use tokio::sync::Notify;

static TAGGER: LazyLock<Tagger> = LazyLock::new(|| Tagger::bundled().expect("the models should load"));

const TEXTS: [Option<&str>; 5] = [
    Some("Angela Merkel spoke in Berlin about the price of gas."),
    None,
    Some(""),
    Some("Zoë and the 🦤 met in Málaga; Fiona Okoye scored twice for Osasuna."),
    Some("The central bank raised its interest rate again."),
];

fn text_column() -> ArrayRef {
    Arc::new(StringArray::from(TEXTS.to_vec()))
}

/// A context with the functions and a table `news` with one column, `text`.
fn context(functions: &Functions, text: ArrayRef) -> SessionContext {
    let context = SessionContext::new();
    functions.register(&context);
    let batch = RecordBatch::try_from_iter([("text", text)]).expect("it should be a batch");
    context.register_batch("news", batch).expect("it should be a table");
    context
}

fn functions() -> Functions {
    Functions::new(TAGGER.clone())
}

async fn ask(context: &SessionContext, query: &str) -> Result<RecordBatch, String> {
    let frame = context.sql(query).await.map_err(|error| error.to_string())?;
    let schema = Arc::clone(frame.schema().inner());
    let batches = frame.collect().await.map_err(|error| error.to_string())?;
    datafusion::arrow::compute::concat_batches(&schema, &batches).map_err(|error| error.to_string())
}

async fn column(query: &str) -> ArrayRef {
    let batch = ask(&context(&functions(), text_column()), query).await.expect("the query should run");
    Arc::clone(batch.column(0))
}

fn lists(column: &ArrayRef) -> &ListArray {
    column.as_list::<i32>()
}

fn strings(of: &StructArray, field: &str) -> Vec<String> {
    let column = of.column_by_name(field).expect("the field should exist");
    column.as_string::<i32>().iter().map(|value| value.expect("it is never null").to_owned()).collect()
}

#[tokio::test]
async fn entities_are_those_of_the_library() {
    let column = column("SELECT entities(text) FROM news").await;
    let lists = lists(&column);
    assert_eq!(lists.len(), TEXTS.len());
    for (row, text) in TEXTS.iter().enumerate() {
        let Some(text) = text else {
            assert!(lists.is_null(row));
            continue;
        };
        let expected = TAGGER.ner().tag(text).expect("the text should be tagged").entities;
        let found = lists.value(row);
        let found = found.as_struct();
        assert_eq!(strings(found, "text"), expected.iter().map(|e| e.text.clone()).collect::<Vec<_>>());
        assert_eq!(strings(found, "label"), expected.iter().map(|e| e.label.clone()).collect::<Vec<_>>());
        let starts = found.column_by_name("start").expect("a field").as_primitive::<Int64Type>();
        let expected_starts: Vec<i64> = expected.iter().map(|e| e.span.chars.start as i64).collect();
        assert_eq!(starts.values().to_vec(), expected_starts);
        let scores = found.column_by_name("score").expect("a field").as_primitive::<Float32Type>();
        assert_eq!(scores.values().to_vec(), expected.iter().map(|e| e.score).collect::<Vec<_>>());
    }
    assert!(!lists.value(0).is_empty());
}

#[tokio::test]
async fn topics_are_those_of_the_library() {
    let column = column("SELECT topics(text, ['sport', 'economy', 'politics']) FROM news").await;
    let labels = TAGGER.topics().label_set(["sport", "economy", "politics"]).expect("the labels are good");
    for (row, text) in TEXTS.iter().enumerate() {
        let Some(text) = text else {
            assert!(lists(&column).is_null(row));
            continue;
        };
        let expected = TAGGER.topics().classify(text, &labels).expect("it should be classified").topics;
        let found = lists(&column).value(row);
        let found = found.as_struct();
        assert_eq!(strings(found, "label"), expected.iter().map(|t| t.label.clone()).collect::<Vec<_>>());
        let fit = found.column_by_name("fit").expect("a field").as_primitive::<Float32Type>();
        assert_eq!(fit.values().to_vec(), expected.iter().map(|t| t.fit).collect::<Vec<_>>());
    }
}

#[tokio::test]
async fn labels_may_differ_from_row_to_row() {
    let query = "SELECT topic(text, labels) FROM (VALUES
        ('The striker scored twice.', ['sport', 'economy']),
        ('The striker scored twice.', ['tennis', 'football']),
        ('Shares fell on Monday.', ['sport', 'economy']),
        ('Shares fell on Monday.', NULL),
        ('Shares fell on Monday.', ['sport', NULL]),
        ('Shares fell on Monday.', []),
        (NULL, ['sport'])) AS t(text, labels)";
    let column = column(query).await;
    let found: Vec<Option<&str>> = column.as_string::<i32>().iter().collect();
    assert_eq!(found, [Some("sport"), Some("football"), Some("economy"), None, None, None, None]);
}

#[tokio::test]
async fn the_default_topics_are_those_of_the_tagger() {
    let column = column("SELECT topic(text), topics(text) FROM news").await;
    let found: Vec<Option<&str>> = column.as_string::<i32>().iter().collect();
    let expected = TEXTS.map(|text| {
        let tagged = TAGGER.tag(text?).expect("it should be tagged");
        tagged.topics.first().map(|topic| topic.label.clone())
    });
    assert_eq!(found, expected.iter().map(Option::as_deref).collect::<Vec<_>>());
}

#[tokio::test]
async fn redaction_is_chosen_with_the_functions() {
    let query = "SELECT redact(text) FROM news WHERE text LIKE 'Angela%'";
    let plain = column(query).await;
    assert_eq!(plain.as_string::<i32>().value(0), "[PER] spoke in [LOC] about the price of gas.");
    let functions = functions().redaction(Redaction::pseudonym().only(["PER"]));
    let batch = ask(&context(&functions, text_column()), query).await.expect("the query should run");
    assert_eq!(
        batch.column(0).as_string::<i32>().value(0),
        "[PER-1] spoke in Berlin about the price of gas."
    );
}

#[tokio::test]
async fn texts_may_be_of_any_string_type() {
    let expected = column("SELECT redact(text) FROM news").await;
    let columns: [ArrayRef; 2] =
        [Arc::new(LargeStringArray::from(TEXTS.to_vec())), Arc::new(StringViewArray::from(TEXTS.to_vec()))];
    for text in columns {
        let batch = ask(&context(&functions(), text), "SELECT redact(text) FROM news").await;
        assert_eq!(batch.expect("the query should run").column(0), &expected);
    }
    let dictionary = "SELECT redact(arrow_cast(text, 'Dictionary(Int32, Utf8)')) FROM news";
    assert_eq!(&column(dictionary).await, &expected);
    assert!(column("SELECT entities(NULL)").await.is_null(0));
}

#[tokio::test]
async fn entities_are_counted_per_topic_of_a_parquet_file() {
    let folder = tempfile::tempdir().expect("there should be a folder");
    let path = folder.path().join("news.parquet").display().to_string();
    let context = context(&functions(), text_column());
    let frame = context.table("news").await.expect("the table should exist");
    let written = frame.write_parquet(&path, DataFrameWriteOptions::new(), None).await;
    written.expect("the file should be written");
    context.register_parquet("filed", &path, ParquetReadOptions::default()).await.expect("it should be read");
    let query = "SELECT topic, entity['label'] AS label, count(*) AS mentions
        FROM (SELECT topic(text, ['politics', 'sport']) AS topic, unnest(entities(text)) AS entity FROM filed)
        GROUP BY topic, label ORDER BY topic, label";
    let batch = ask(&context, query).await.expect("the query should run");
    let table = pretty_format_batches(&[batch]).expect("it should be printed").to_string();
    assert!(table.contains("| politics | LOC   | 1        |"), "{table}");
    assert!(table.contains("| sport    | PER   |"), "{table}");
}

#[tokio::test]
async fn a_failure_is_null_or_ends_the_query() {
    let limited = TAGGER.within(&Limits::new().max_bytes(40));
    let query = "SELECT redact(text) FROM news";
    let lenient = ask(&context(&Functions::new(limited.clone()), text_column()), query).await;
    let lenient = lenient.expect("the query should run");
    let found: Vec<bool> = (0..TEXTS.len()).map(|row| lenient.column(0).is_null(row)).collect();
    assert_eq!(found, [true, true, false, true, true]);
    let strict = Functions::new(limited).strict(true);
    let error = ask(&context(&strict, text_column()), query).await.expect_err("it should fail");
    assert!(error.contains("redact failed") && error.contains("40"), "{error}");
    let by_row =
        "SELECT topic(text, CASE WHEN length(text) > 40 THEN ['b', 'b'] ELSE ['b', 'c'] END) FROM news";
    let error = ask(&context(&strict, text_column()), by_row).await.expect_err("it should fail");
    assert!(error.contains("topic failed") && error.contains("\"b\""), "{error}");
}

#[tokio::test]
async fn unusable_labels_of_all_rows_end_the_query() {
    for (labels, message) in
        [("[]", "give at least one"), ("['a', 'a']", "\"a\""), ("['a', NULL]", "one of the labels is null")]
    {
        let query = format!("SELECT topic(text, {labels}) FROM news");
        let error = ask(&context(&functions(), text_column()), &query).await.expect_err(labels);
        assert!(error.contains("the labels of topic cannot be used: "), "{error}");
        assert!(error.contains(message), "{error}");
    }
}

#[tokio::test]
async fn places_can_be_used_in_functions_of_sql() {
    let query =
        "SELECT substr(text, entity['start'] + 1, entity['end'] - entity['start']) AS part, entity['text']
        FROM (SELECT text, unnest(entities(text)) AS entity FROM news)";
    let batch = ask(&context(&functions(), text_column()), query).await.expect("the query should run");
    let parts = datafusion::arrow::compute::cast(batch.column(0), &DataType::Utf8).expect("a string");
    assert!(batch.num_rows() > 3);
    assert_eq!(parts.as_string::<i32>(), batch.column(1).as_string::<i32>());
}

#[tokio::test]
async fn wrong_arguments_are_errors_of_the_plan() {
    let context = context(&functions(), text_column());
    for (query, message) in [
        ("SELECT entities(1)", "a text must be a string, not Int64"),
        ("SELECT entities()", "entities takes a text, not 0 arguments"),
        ("SELECT redact('a', ['b'])", "redact takes a text, not 2 arguments"),
        (
            "SELECT topics('a', 'sport')",
            "labels must be a list, such as ['sport', 'politics'], not one string",
        ),
        ("SELECT topics('a', [1])", "labels must be strings, not Int64"),
        (
            "SELECT topics('a', ['b'], 3)",
            "topics takes a text and, if you like, a list of labels, not 3 arguments",
        ),
    ] {
        let error = ask(&context, query).await.expect_err(query);
        assert!(error.contains(message), "{query}: {error}");
    }
}

#[tokio::test]
async fn functions_for_planning_plan_and_do_not_run() {
    let context = SessionContext::new();
    planning_functions().into_iter().for_each(|function| context.register_udf(function));
    in_pieces(&context, text_column(), 5);
    let plan =
        context.sql("SELECT topic(text), entities('Oslo') FROM news").await.expect("it should be planned");
    let error = plan.collect().await.expect_err("it should not run").to_string();
    assert!(error.contains("has no models here"), "{error}");
}

/// A table `news` in pieces of `piece` rows, each of which is a batch.
fn in_pieces(context: &SessionContext, text: ArrayRef, piece: usize) {
    let table = RecordBatch::try_from_iter([("text", text)]).expect("it should be a batch");
    let starts = (0..table.num_rows()).step_by(piece);
    let pieces = starts.map(|start| table.slice(start, piece.min(table.num_rows() - start))).collect();
    let pieces = MemTable::try_new(table.schema(), vec![pieces]).expect("it should be a table");
    context.register_table("news", Arc::new(pieces)).expect("the name should be free");
}

#[tokio::test(flavor = "multi_thread")]
async fn partitions_and_batches_change_nothing() {
    let rows: Vec<String> = (0..200).map(|row| format!("Person {row} Merkel lives in Berlin.")).collect();
    let text: ArrayRef = Arc::new(StringArray::from(rows));
    let mut answers = Vec::new();
    for (partitions, batch) in [(1, 8192), (4, 7)] {
        let config = SessionConfig::new().with_target_partitions(partitions).with_batch_size(batch);
        let context = SessionContext::new_with_config(config);
        functions().register(&context);
        in_pieces(&context, Arc::clone(&text), 25);
        let query =
            "SELECT text, entities(text) AS entities, topic(text, ['home', 'sport']) FROM news ORDER BY text";
        answers.push(ask(&context, query).await.expect("the query should run"));
    }
    assert_eq!(answers[0], answers[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_query_ends_after_some_batches() {
    const TEXT: &str = "Angela Merkel spoke in Berlin about the price of gas.";
    let (begun, read) = (Arc::new(Notify::new()), Arc::new(AtomicUsize::new(0)));
    let (waiting, counted) = (Arc::clone(&begun), Arc::clone(&read));
    let limits = Limits::new().progress(move |bytes| {
        counted.fetch_add(bytes, Ordering::Relaxed);
        begun.notify_one();
    });
    let context = SessionContext::new();
    Functions::new(TAGGER.within(&limits)).register(&context);
    // DataFusion yields to its runtime at least every 128 batches.
    in_pieces(&context, Arc::new(StringArray::from(vec![TEXT; 2000])), 2);
    let frame = context.sql("SELECT entities(text) FROM news").await.expect("it should be planned");
    let query = tokio::spawn(frame.collect());
    waiting.notified().await;
    query.abort();
    assert!(query.await.expect_err("it should be cancelled").is_cancelled());
    assert!(read.load(Ordering::Relaxed) < 2000 * TEXT.len());
}
