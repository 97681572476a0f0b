//! Labels in the input of a model, in one sequence with the text (GLiNER, GLiClass).

use serde::{Deserialize, Serialize};

use crate::error::{Error, ErrorKind};
use crate::limits::LONGEST_PROMPT;
use crate::model::Model;
use crate::model::role::PromptStyle;

/// Labels as tokens.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Prompt {
    pub(crate) ids: Vec<u32>,
    /// The index of the token that stands for each label.
    pub(crate) marks: Vec<usize>,
}

impl Prompt {
    /// Tokenises `labels` word by word, as GLiNER does.
    pub(crate) fn of_words(
        model: &Model,
        style: &PromptStyle,
        labels: &[String],
        budget: usize,
    ) -> Result<Self, Error> {
        check_texts(style, labels)?;
        let labels_and_tokens = labels.iter().flat_map(|label| [style.label_token.as_str(), label]);
        let parts: Vec<&str> = labels_and_tokens.chain([style.separator.as_str()]).collect();
        let tokens = model.tokenizer.encode_words(&parts)?;
        let is_label = |&at: &usize| Some(tokens.ids[at]) == style.label_id && tokens.words[at] % 2 == 0;
        let found = (0..tokens.ids.len()).filter(is_label).collect();
        Self::new(tokens.ids, found, style, labels.len(), budget)
    }

    /// Tokenises `labels` as one text, as GLiClass does.
    pub(crate) fn of_text(
        model: &Model,
        style: &PromptStyle,
        labels: &[String],
        budget: usize,
    ) -> Result<Self, Error> {
        check_texts(style, labels)?;
        let mut text = String::new();
        for label in labels {
            text.push_str(&style.label_token);
            if style.lower { text.push_str(&label.to_lowercase()) } else { text.push_str(label) }
        }
        text.push_str(&style.separator);
        let ids = model.tokenizer.encode(&text)?.ids;
        let found = (0..ids.len()).filter(|&at| Some(ids[at]) == style.label_id).collect();
        Self::new(ids, found, style, labels.len(), budget)
    }

    fn new(
        ids: Vec<u32>,
        label_tokens: Vec<usize>,
        style: &PromptStyle,
        labels: usize,
        budget: usize,
    ) -> Result<Self, Error> {
        if label_tokens.len() != labels {
            let message = format!("the tokenizer made {} marks for {labels} labels", label_tokens.len());
            return Err(Error::new(ErrorKind::Tokenizer, message));
        }
        let marks = label_tokens.into_iter().map(|at| at + usize::from(style.mark_follows)).collect();
        let prompt = Self { ids, marks };
        prompt.check(labels, budget)?;
        Ok(prompt)
    }

    /// Checks that the prompt has a mark for each of `labels` labels, and leaves a quarter of a window of `budget`
    /// tokens for the text.
    pub(crate) fn check(&self, labels: usize, budget: usize) -> Result<(), Error> {
        if self.marks.len() != labels || self.marks.iter().any(|&mark| mark >= self.ids.len()) {
            let message = "the labels do not match their tokens; prepare them again";
            return Err(Error::new(ErrorKind::Labels, message));
        }
        let (found, limit) = (self.ids.len(), budget * 3 / 4);
        if found > limit {
            let message = format!(
                "the {labels} labels take {found} tokens of a window, but at most {limit} are allowed; pass fewer \
                 at a time"
            );
            return Err(Error::new(ErrorKind::Labels, message));
        }
        Ok(())
    }
}

/// Checks that the labels are not too long together, and that none contains a token that separates labels.
fn check_texts(style: &PromptStyle, labels: &[String]) -> Result<(), Error> {
    let bytes: usize = labels.iter().map(String::len).sum();
    if bytes > LONGEST_PROMPT {
        let message = format!(
            "the {} labels have {bytes} bytes, but at most {LONGEST_PROMPT} are allowed; pass fewer at a time",
            labels.len()
        );
        return Err(Error::new(ErrorKind::Labels, message));
    }
    for label in labels {
        let separators = [&style.label_token, &style.separator];
        if let Some(token) = separators.into_iter().find(|token| label.contains(token.as_str())) {
            let message =
                format!("the label {label:?} contains {token:?}, which separates labels; remove it");
            return Err(Error::new(ErrorKind::Labels, message));
        }
    }
    Ok(())
}
