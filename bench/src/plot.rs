//! What came out, as a picture.

use crate::table::Report;
use plotters::prelude::*;
use std::error::Error;
use std::path::Path;

const COLOURS: [RGBColor; 5] = [
    RGBColor(136, 136, 136),
    RGBColor(31, 119, 180),
    RGBColor(44, 160, 44),
    RGBColor(214, 39, 40),
    RGBColor(148, 103, 189),
];
const LINE: i32 = 22;
const NAMES: i32 = 230;
const BAR: i32 = 480;
const VALUES: i32 = 150;

/// Draws a bar for each pair and load, as long as its processor time is in proportion to the reference's.
pub(crate) fn draw(report: &Report, path: &Path) -> Result<(), String> {
    drawn(report, path).map_err(|error| error.to_string())
}

fn drawn(report: &Report, path: &Path) -> Result<(), Box<dyn Error>> {
    let (loads, pairs) = (report.loads(), report.pairs());
    let lines = i32::try_from(loads.len() * (pairs.len() + 1) + 2)?;
    let size = (u32::try_from(NAMES + BAR + VALUES)?, u32::try_from(lines * LINE)?);
    let area = SVGBackend::new(path, size).into_drawing_area();
    area.fill(&WHITE)?;
    let font = ("sans-serif", 13).into_font();
    let text = |words: String, x: i32, line: i32| Text::new(words, (x, line * LINE + 5), font.clone());
    area.draw(&text("tcpcopy: processor time for each request, medians (µs)".to_owned(), 8, 0))?;
    let mut line = 1;
    for load in loads {
        let reference =
            pairs.first().and_then(|pair| report.tcpcopy_us(load, pair)).map(|spread| spread.median);
        let most = pairs
            .iter()
            .filter_map(|pair| report.tcpcopy_us(load, pair))
            .map(|spread| spread.median)
            .fold(0.0, f64::max);
        for (index, pair) in pairs.iter().enumerate() {
            let name = if index == 0 { format!("{load}: {pair}") } else { pair.clone() };
            area.draw(&text(name, 8, line))?;
            if let Some(spread) = report.tcpcopy_us(load, pair) {
                let colour = COLOURS[index % COLOURS.len()].filled();
                area.draw(&Rectangle::new(
                    [(NAMES, line * LINE + 4), (NAMES + length(spread.median / most), line * LINE + 18)],
                    colour,
                ))?;
                let ratio = reference
                    .filter(|_| index > 0)
                    .map_or_else(String::new, |base| format!(" = {:.2}", spread.median / base));
                area.draw(&text(
                    format!("{:.1}{ratio}", spread.median),
                    NAMES + length(spread.median / most) + 6,
                    line,
                ))?;
            }
            line += 1;
        }
        line += 1;
    }
    area.present()?;
    Ok(())
}

#[expect(clippy::cast_possible_truncation, reason = "a length in pixels")]
fn length(share: f64) -> i32 {
    if share.is_finite() { (share * f64::from(BAR)) as i32 } else { 0 }
}
