use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::error::{Error, ErrorKind};
use crate::limits::{LONGEST_TEXT, MOST_LABELS, MOST_TEXT_TIMES_LABELS};

/// Limits of a call: a deadline, a flag that cancels it, the maximum length of a text, and the maximum number of labels.
///
/// By default, a text may have 256 MiB and a label set 10,000 labels, and there is no deadline. A default applies until
/// a limit is set; if a limit is set several times, on a model and its views or on both models of a tagger, the
/// strictest applies.
///
/// The deadline and the flag are checked before each group of windows. A document that is not finished by then gets an
/// error of the kind [`ErrorKind::Deadline`] or [`ErrorKind::Cancelled`]; documents that are finished keep their
/// results. A step that has begun is not interrupted: tokenising a text (of a long text, half a megabyte), the search
/// for rules, and a group of windows. A group has about 128 tokens, or one longer window. With a small model it takes a
/// few milliseconds on one thread; with libtorch, groups are larger.
///
/// ```
/// # #[cfg(feature = "bundled")] {
/// use std::time::{Duration, Instant};
/// use entopic::{ErrorKind, Limits, Ner};
///
/// let ner = Ner::bundled()?;
/// let limits = Limits::new().deadline(Instant::now() + Duration::from_secs(2)).max_bytes(1 << 20);
/// assert_eq!(ner.within(&limits).tag("Ada Lovelace lived in London.")?.entities.len(), 2);
///
/// let past = Limits::new().deadline(Instant::now());
/// let error = ner.within(&past).tag("Ada Lovelace lived in London.").unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Deadline);
/// # }
/// # Ok::<(), entopic::Error>(())
/// ```
#[derive(Clone, Default)]
pub struct Limits {
    deadline: Option<Instant>,
    cancel: Vec<Arc<AtomicBool>>,
    max_bytes: Option<usize>,
    max_labels: Option<usize>,
    /// The number of labels that a call scores.
    labels: usize,
    progress: Option<Arc<Progress>>,
}

type Progress = dyn Fn(usize) + Send + Sync;

impl Limits {
    /// Creates limits with nothing set but the defaults.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let ner = entopic::Ner::bundled()?.within(&entopic::Limits::new());
    /// assert_eq!(ner.tag("Ada Lovelace lived in London.")?.entities.len(), 2);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    pub fn new() -> Self {
        Self::default()
    }

    /// The time at which work stops.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use std::time::{Duration, Instant};
    /// use entopic::{Limits, Ner};
    ///
    /// let ner = Ner::bundled()?;
    /// let limits = Limits::new().deadline(Instant::now() + Duration::from_secs(60));
    /// let results = ner.within(&limits).tag_batch(&["Ada lived in London.", "Marie lived in Paris."]);
    /// assert!(results.iter().all(|result| result.is_ok()));
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn deadline(mut self, deadline: Instant) -> Self {
        self.deadline = Some(deadline);
        self
    }

    /// A flag that stops the work when it becomes `true`; there may be several.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use std::sync::{Arc, atomic::{AtomicBool, Ordering}};
    /// use entopic::{ErrorKind, Limits, Ner};
    ///
    /// let flag = Arc::new(AtomicBool::new(false));
    /// let ner = Ner::bundled()?.within(&Limits::new().cancel(Arc::clone(&flag)));
    /// assert!(ner.tag("Ada Lovelace lived in London.").is_ok());
    /// // Any thread may set it, also during a call.
    /// flag.store(true, Ordering::Relaxed);
    /// let error = ner.tag("Ada Lovelace lived in London.").unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Cancelled);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn cancel(mut self, flag: Arc<AtomicBool>) -> Self {
        self.cancel.push(flag);
        self
    }

    /// The most bytes of one text, by default 268,435,456 (256 MiB). A longer text is refused with an error of the kind
    /// [`ErrorKind::TooLong`] before it is read. The number of bytes times the number of labels may be at most 2^35,
    /// because each label has a score in each part of the text; this limit cannot be raised. The words of a sentence
    /// count with one space between them.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{ErrorKind, Limits, Ner};
    ///
    /// let ner = Ner::bundled()?.within(&Limits::new().max_bytes(1 << 20));
    /// assert!(ner.tag("Ada Lovelace lived in London.").is_ok());
    /// let error = ner.tag(&"x".repeat((1 << 20) + 1)).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::TooLong);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn max_bytes(mut self, bytes: usize) -> Self {
        self.max_bytes = Some(bytes);
        self
    }

    /// The most labels of a [`LabelSet`](crate::LabelSet), by default 10,000. More are refused with an error of the kind
    /// [`ErrorKind::Labels`] before they are prepared. Existing sets, including those read from a file, are not checked
    /// again.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// use entopic::{ErrorKind, Limits, TopicClassifier};
    ///
    /// let classifier = TopicClassifier::bundled()?.within(&Limits::new().max_labels(2));
    /// assert!(classifier.label_set(["sport", "health"]).is_ok());
    /// let error = classifier.label_set(["sport", "health", "economy"]).unwrap_err();
    /// assert_eq!(error.kind(), ErrorKind::Labels);
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn max_labels(mut self, labels: usize) -> Self {
        self.max_labels = Some(labels);
        self
    }

    /// A function that is called with the total number of bytes of text that the call has done: for each text, when the
    /// texts that are read together with it are done, and within long texts after each half megabyte. It runs on the
    /// caller's thread; the call waits for it. It replaces the function of earlier limits. Calls with words do not call
    /// it.
    ///
    /// ```
    /// # #[cfg(feature = "bundled")] {
    /// let limits = entopic::Limits::new().progress(|bytes| eprintln!("{bytes} bytes"));
    /// entopic::Ner::bundled()?.within(&limits).tag("Ada Lovelace lived in London.")?;
    /// # }
    /// # Ok::<(), entopic::Error>(())
    /// ```
    #[must_use]
    pub fn progress(mut self, report: impl Fn(usize) + Send + Sync + 'static) -> Self {
        self.progress = Some(Arc::new(report));
        self
    }

    /// Reports that `bytes` bytes of text are done.
    pub(crate) fn report(&self, bytes: usize) {
        if let Some(report) = &self.progress {
            report(bytes);
        }
    }

    /// These limits in addition to `base`; if both set a limit, the stricter one applies.
    pub(crate) fn over(&self, base: &Self) -> Self {
        Self {
            deadline: self.deadline.into_iter().chain(base.deadline).min(),
            cancel: [&base.cancel[..], &self.cancel].concat(),
            max_bytes: self.max_bytes.into_iter().chain(base.max_bytes).min(),
            max_labels: self.max_labels.into_iter().chain(base.max_labels).min(),
            labels: self.labels.max(base.labels),
            progress: self.progress.clone().or_else(|| base.progress.clone()),
        }
    }

    /// Returns an error if work must stop.
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.cancel.iter().any(|flag| flag.load(Ordering::Relaxed)) {
            return Err(Error::new(ErrorKind::Cancelled, "the call was cancelled before it was done"));
        }
        if self.deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Err(Error::new(
                ErrorKind::Deadline,
                "the deadline of the call passed before it was done; give it more time, or less text",
            ));
        }
        Ok(())
    }

    /// Returns an error if a text of `bytes` bytes is too long.
    pub(crate) fn check_length(&self, bytes: usize) -> Result<(), Error> {
        let most = self.max_bytes.unwrap_or(LONGEST_TEXT);
        if bytes > most {
            let message = format!(
                "the text has {bytes} bytes; the limit of the call is {most}; split the text, or raise \
                 Limits::max_bytes"
            );
            return Err(Error::new(ErrorKind::TooLong, message));
        }
        let (labels, most) = (self.labels, MOST_TEXT_TIMES_LABELS / self.labels.max(1));
        if labels > 0 && bytes > most {
            let message = format!(
                "the text has {bytes} bytes; with {labels} labels, at most {most} are allowed; split the text, or give \
                 fewer labels"
            );
            return Err(Error::new(ErrorKind::TooLong, message));
        }
        Ok(())
    }

    /// These limits for a call that scores `labels` labels.
    pub(crate) fn for_labels(self, labels: usize) -> Self {
        Self { labels, ..self }
    }

    /// Collects `labels`, which are added to `before` others. Returns an error if there are too many, without reading
    /// them all.
    pub(crate) fn collect_labels<L>(
        &self,
        before: usize,
        labels: impl Iterator<Item = L>,
    ) -> Result<Vec<L>, Error> {
        let most = self.max_labels.unwrap_or(MOST_LABELS);
        let left = most.saturating_sub(before);
        let labels: Vec<L> = labels.take(left.saturating_add(1)).collect();
        if labels.len() <= left {
            return Ok(labels);
        }
        let message = format!("there are more than {most} labels; give fewer, or raise Limits::max_labels");
        Err(Error::new(ErrorKind::Labels, message))
    }
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits")
            .field("deadline", &self.deadline)
            .field("cancel", &self.cancel)
            .field("max_bytes", &self.max_bytes)
            .field("max_labels", &self.max_labels)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::Limits;
    use crate::error::ErrorKind;

    #[test]
    fn texts_and_labels_have_a_limit_by_default_which_may_be_raised() {
        let (text, labels) = (256 << 20, 10_000);
        let count = |limits: &Limits, before: usize, labels: usize| {
            limits.collect_labels(before, 0..labels).map(|labels| labels.len())
        };
        let usual = Limits::new();
        assert!(usual.check_length(text).is_ok());
        let error = usual.check_length(text + 1).expect_err("it should be refused");
        assert_eq!(error.kind(), ErrorKind::TooLong);
        assert_eq!(count(&usual, 1, labels - 1).expect("they should fit"), labels - 1);
        let error = count(&usual, 1, labels).expect_err("they should be refused");
        assert_eq!(error.kind(), ErrorKind::Labels);
        // What has no end is not read to its end.
        assert!(usual.collect_labels(0, 0..).is_err());

        let raised = Limits::new().max_bytes(2 * text).max_labels(2 * labels);
        // The longest text for which 2^20 labels can be scored.
        let many = usual.clone().for_labels(1 << 20);
        assert!(many.check_length(1 << 15).is_ok());
        let error = many.check_length((1 << 15) + 1).expect_err("it should be refused");
        assert!(error.to_string().contains("with 1048576 labels, at most 32768"), "{error}");

        for limits in [raised.over(&usual), usual.over(&raised)] {
            assert!(limits.check_length(2 * text).is_ok());
            assert!(limits.check_length(2 * text + 1).is_err());
            assert_eq!(count(&limits, 0, 2 * labels).expect("they should fit"), 2 * labels);
            assert!(count(&limits, 0, 2 * labels + 1).is_err());
        }
    }
}
