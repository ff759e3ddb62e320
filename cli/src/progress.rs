//! Progress bars on stderr, shown only on a terminal.

use indicatif::{ProgressBar, ProgressStyle};

/// A bar for `total` items.
pub fn bar(total: u64, things: &'static str) -> ProgressBar {
    // Where stderr is no terminal, indicatif draws nothing.
    let bar = ProgressBar::new(total);
    let template = format!("{{bar:40}} {{human_pos}}/{{human_len}} {things} {{per_sec}} {{elapsed}}");
    if let Ok(style) = ProgressStyle::with_template(&template) {
        bar.set_style(style);
    }
    bar
}
