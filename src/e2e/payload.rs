//! What is submitted: an era's columns, filled from a result.

use serde_json::{Value, json};

use super::era::Column;
use super::error::Error;
use super::plan::Point;
use super::profile::Profile;
use super::result_file::Accuracy;
use super::score::Score;

impl Profile<'_> {
    /// The values of a submission, in the order of the era's columns. Numbers have six significant digits, as the
    /// original sends them; a missing row is zeros, as there.
    ///
    /// # Errors
    /// [`Error::Payload`] if the accuracy is of another kind than the columns.
    pub fn payload(
        &self,
        team: &str,
        point: &Point,
        score: &Score,
        accuracy: &Accuracy,
    ) -> Result<Vec<Value>, Error> {
        let columns = self.era.submission.columns.iter();
        columns.map(|&column| value(column, team, point, score, accuracy)).collect()
    }
}

fn value(
    column: Column,
    team: &str,
    point: &Point,
    score: &Score,
    accuracy: &Accuracy,
) -> Result<Value, Error> {
    let row = |of: fn(&super::rows::Row) -> f64| score.row.as_ref().map_or(0.0, of);
    let ratio = |of: fn(&super::score::Ratios) -> f64| score.ratios.as_ref().map_or(0.0, of);
    let missing = |reason| {
        let column = serde_json::to_value(column).expect("a column is a name");
        Error::Payload { column: column.as_str().unwrap_or_default().into(), reason }
    };
    let number = match column {
        Column::Team => return Ok(json!(team)),
        Column::Concurrency => return Ok(json!(point.concurrency)),
        Column::E2eMs => score.figures.e2e_ms,
        Column::TputPerGpu => score.figures.tput_per_gpu,
        Column::RowE2e => row(|r| r.e2e_ms),
        Column::RowTput => row(|r| r.tput_per_gpu),
        Column::E2eRatio => ratio(|r| r.e2e),
        Column::TputRatio => ratio(|r| r.tput),
        Column::Interactivity => score.figures.interactivity,
        Column::RowInteractivity => row(|r| r.interactivity),
        Column::InteractivityRatio => ratio(|r| r.interactivity),
        Column::BitsPerByte | Column::BytePerplexity | Column::WordPerplexity => match *accuracy {
            Accuracy::Wikitext { bits_per_byte, byte_perplexity, word_perplexity } => match column {
                Column::BitsPerByte => bits_per_byte,
                Column::BytePerplexity => byte_perplexity,
                _ => word_perplexity,
            },
            _ => return Err(missing("the accuracy is not of wikitext")),
        },
        Column::Gsm8kAccuracy | Column::Gsm8kInvalid => match *accuracy {
            Accuracy::Gsm8kScript { accuracy, .. } if column == Column::Gsm8kAccuracy => accuracy,
            Accuracy::Gsm8kScript { invalid, .. } => invalid,
            _ => return Err(missing("the accuracy is not of SGLang's GSM8K script")),
        },
        Column::Gsm8kMetric => match *accuracy {
            Accuracy::Gsm8k { metric } => metric,
            _ => return Err(missing("the accuracy is not of lm-eval's GSM8K")),
        },
    };
    if !number.is_finite() {
        return Err(missing("it is not a finite number"));
    }
    Ok(json!(six_digits(number)))
}

/// A number at six significant digits.
#[must_use]
pub fn six_digits(number: f64) -> f64 {
    format!("{number:.5e}").parse().expect("a formatted number is one")
}
