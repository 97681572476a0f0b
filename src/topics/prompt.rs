//! Labels and text in one sequence (GLiClass, <https://arxiv.org/abs/2508.07662>).

use std::ops::Range;

use crate::backend::{Marks, Sequence};
use crate::error::{Error, ErrorKind};
use crate::model::{Model, PromptStyle, Tokens};

/// Labels as they stand beside a text.
#[derive(Clone, Debug)]
pub(crate) struct TopicPrompt {
    ids: Vec<u32>,
    /// The token that stands for each label.
    marks: Vec<usize>,
    first: bool,
}

impl TopicPrompt {
    /// Tokenises `labels`; they must leave a quarter of a window to the text.
    pub(super) fn new(model: &Model, style: &PromptStyle, labels: &[String]) -> Result<Self, Error> {
        let PromptStyle { label_token, separator, .. } = style;
        let mut prompt = String::new();
        for label in labels {
            if let Some(mark) =
                [label_token, separator].into_iter().find(|mark| label.contains(mark.as_str()))
            {
                let message = format!("the label {label:?} holds {mark:?}, which parts labels");
                return Err(Error::new(ErrorKind::Labels, message));
            }
            prompt.push_str(label_token);
            if style.lower { prompt.push_str(&label.to_lowercase()) } else { prompt.push_str(label) }
        }
        prompt.push_str(separator);
        let ids = model.tokenizer.encode(&prompt)?.ids;
        let marks = (0..ids.len()).filter(|&at| Some(ids[at]) == model.label_token);
        let marks: Vec<usize> = marks.map(|at| at + usize::from(style.mark_follows)).collect();
        if marks.len() != labels.len() {
            let message = format!("{} labels gave {} marks", labels.len(), marks.len());
            return Err(Error::new(ErrorKind::Tokenizer, message));
        }
        let limit = model.window_budget() * 3 / 4;
        if ids.len() > limit {
            let message = format!(
                "the {} labels take {} tokens of a window; at most {limit} may go to them: give fewer at a time",
                labels.len(),
                ids.len()
            );
            return Err(Error::new(ErrorKind::Labels, message));
        }
        Ok(Self { ids, marks, first: style.labels_first })
    }

    /// How many labels there are.
    pub(super) fn labels(&self) -> usize {
        self.marks.len()
    }

    /// How many tokens of a text fit a window.
    pub(super) fn budget(&self, model: &Model) -> usize {
        model.window_budget() - self.ids.len()
    }

    /// The sequence of the labels and of `range` of a text's tokens.
    pub(super) fn sequence(&self, model: &Model, tokens: &Tokens, range: Range<usize>) -> Sequence {
        let text = &tokens.ids[range];
        let (ids, before) = match self.first {
            true => ([&self.ids, text].concat(), 0),
            false => ([text, &self.ids].concat(), text.len()),
        };
        let mut sequence = model.tokenizer.sequence(&ids);
        let before = before + model.tokenizer.leading_specials();
        let labels = self.marks.iter().map(|mark| before + mark).collect();
        sequence.marks = Marks { words: Vec::new(), labels };
        sequence
    }
}
