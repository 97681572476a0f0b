use super::scoring::Support;
use crate::error::{Error, ErrorKind};

/// Converts the cosines of a bi-encoder to evidence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Calibration {
    temperature: f32,
    multi_label_temperature: f32,
    /// The cosine at which a topic is as likely as not.
    midpoint: f32,
}

impl Calibration {
    /// Checks the values. `multi_label_temperature` defaults to `temperature`.
    pub(super) fn new(
        temperature: f32,
        multi_label_temperature: Option<f32>,
        midpoint: f32,
    ) -> Result<Self, Error> {
        let refuse = |message: String| Err(Error::new(ErrorKind::Options, message));
        let multi_label_temperature = multi_label_temperature.unwrap_or(temperature);
        for temperature in [temperature, multi_label_temperature] {
            if !(temperature.is_finite() && temperature > 0.0) {
                return refuse(format!("the temperature is {temperature}; it must be above 0"));
            }
        }
        if !(-1.0..=1.0).contains(&midpoint) {
            return refuse(format!("the midpoint is {midpoint}; a cosine is between -1 and 1"));
        }
        Ok(Self { temperature, multi_label_temperature, midpoint })
    }

    pub(super) fn support(&self, cosine: f32) -> Support {
        Support {
            choice: cosine / self.temperature,
            fit: (cosine - self.midpoint) / self.multi_label_temperature,
        }
    }
}
