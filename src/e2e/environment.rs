//! The two files of variables that the quick-start guides have one `source`.

use super::plan::Selection;
use super::profile::Profile;

/// `specific_conc_var.sh`: one point.
#[must_use]
pub fn specific(profile: &Profile<'_>) -> String {
    let defaults = profile.era.defaults;
    let concurrency = profile.track.default_concurrency.unwrap_or(defaults.concurrency);
    let point = profile.point(defaults.isl, defaults.osl, concurrency, &Selection::default());
    let mut text = common(profile);
    text += &format!("export ISL={}\nexport OSL={}\nexport CONC={concurrency}\n", point.isl, point.osl);
    text += &format!("export RANDOM_RANGE_RATIO={:?}\n", point.range_ratio);
    text += &if one_case(profile) {
        // Follows CONC when that is edited.
        format!("export NUM_PROMPTS=$((CONC * {}))\n", profile.era.prompts.per_concurrency)
    } else {
        format!("export NUM_PROMPTS={}\n", point.prompts)
    };
    text += "export RESULT_FILENAME=\"test_$(date +%H%M%S)\"\n";
    text
}

/// `all_conc_var.sh`: what all points of a batch share.
#[must_use]
pub fn all(profile: &Profile<'_>) -> String {
    let mut text = common(profile);
    if one_case(profile) {
        let case = &profile.track.cases[0];
        text += &format!("export ISL={}\nexport OSL={}\n", case.isl, case.osl);
    }
    text
}

fn one_case(profile: &Profile<'_>) -> bool {
    profile.track.cases.len() == 1
}

fn common(profile: &Profile<'_>) -> String {
    let server = profile.server;
    let mut text =
        format!("export MODEL=\"{}\"\nexport PORT={}\nexport TP={}\n", server.model, server.port, server.tp);
    for value in &server.values {
        if let Some(variable) = value.variable.as_ref().filter(|v| *v == "MAX_MODEL_LEN") {
            text += &format!("export {variable}={}\n", value.default);
        }
    }
    text
}
