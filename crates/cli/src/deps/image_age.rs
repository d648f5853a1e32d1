//! How old an image is, and whether its distribution is still looked after.

use provost_formats::system::{self, end_of_life};
use provost_image::{Image, Walked};
use provost_model::{Finding, Level, Timestamp, count};

use crate::commands::deps::ImageArgs;

/// What is to be said of ages, counted to `at`.
pub(crate) fn findings(args: &ImageArgs, image: &Image, walked: &Walked, at: Timestamp) -> Vec<Finding> {
    let mut found = Vec::new();
    let mut say = |rule: &str, level: Level, message: String, about: &str, help: &str| {
        let mut finding = Finding::new(rule, level, message, &[about]).in_file(&args.image);
        finding.help = Some(help.to_owned());
        found.push(finding);
    };
    let created = image.config.as_ref().and_then(|config| config.created);
    let chain: Vec<String> = image.chain_ids().iter().map(|digest| format!("sha256:{digest}")).collect();
    let named = args
        .base_image
        .iter()
        .filter_map(|base| chain.iter().position(|id| id == base || id.strip_prefix("sha256:") == Some(base.as_str())));
    let base = image.layer_times().get(named.max().unwrap_or(0)).copied().flatten();
    for (rule, limit, made, what) in [
        ("image-old", args.max_image_age, created, "the image"),
        ("image-old-base", args.max_base_age, base, "its base"),
    ] {
        let Some(limit) = limit else { continue };
        let help = "build it anew, on a base of today";
        match made {
            None => say(rule, Level::Warning, format!("it is not known when {what} was made"), what, help),
            Some(made) if made.plus_days(i64::from(limit)) < at => {
                let days = (at.seconds() - made.seconds()) / 86_400;
                let age = count(days.unsigned_abs(), "day", "days");
                let text = format!("{what} was made on {}, {age} ago; {limit} are permitted", &made.to_string()[..10]);
                say(rule, Level::Warning, text, what, help);
            }
            Some(_) => {}
        }
    }
    if let Some(release) = system::os_release::find(&|path| walked.content(path).map(<[u8]>::to_vec))
        && let Some(end) = end_of_life::of(&release)
        && at >= end
    {
        let text = format!(
            "its distribution, {} {}, gets no security updates since {} (table of {})",
            release.id,
            release.version,
            &end.to_string()[..10],
            end_of_life::AS_OF
        );
        let help = "build it on a release that is looked after; paid extensions are not counted";
        say("image-end-of-life", Level::Warning, text, &release.id, help);
    }
    found
}
