//! The plots of the page, as SVG.
//!
//! Colours are placeholders that become variables of the page's style, so that a plot is dark where the page is dark.

use super::format::time;
use super::summary::{Moment, Summary};
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

const ONLINE: RGBColor = RGBColor(1, 1, 1);
const TARGET: RGBColor = RGBColor(2, 2, 2);
const INK: RGBColor = RGBColor(3, 3, 3);
const GRID: RGBColor = RGBColor(4, 4, 4);
const BAD: RGBColor = RGBColor(5, 5, 5);
/// As many labels as there may be nines, so that only whole ones get one.
const WHOLE_NINES: usize = 7;
const VARIABLES: [(&str, &str); 5] = [
    ("\"#010101\"", "\"var(--online)\""),
    ("\"#020202\"", "\"var(--target)\""),
    ("\"#030303\"", "\"var(--soft)\""),
    ("\"#040404\"", "\"var(--line)\""),
    ("\"#050505\"", "\"var(--bad)\""),
];

/// For whom a plot is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Screen {
    Wide,
    Narrow,
}

impl Screen {
    const fn size(self) -> (u32, u32) {
        match self {
            Self::Wide => (560, 260),
            Self::Narrow => (360, 230),
        }
    }

    const fn labels(self) -> usize {
        match self {
            Self::Wide => 7,
            Self::Narrow => 4,
        }
    }
}

/// Whether a plot was drawn.
pub(super) type Drawn = Result<(), Box<dyn std::error::Error>>;
/// What a plot is drawn on.
pub(super) type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// A plot; nothing where there is nothing to draw.
pub(super) fn draw(screen: Screen, plot: impl Fn(&Area<'_>, Screen) -> Drawn) -> String {
    let mut svg = String::new();
    let drawn = {
        let area = SVGBackend::with_string(&mut svg, screen.size()).into_drawing_area();
        plot(&area, screen).and_then(|()| Ok(area.present()?))
    };
    if drawn.is_err() {
        return String::new();
    }
    let (width, height) = screen.size();
    svg = svg.replacen(&format!("width=\"{width}\" height=\"{height}\" "), "", 1);
    for (placeholder, variable) in VARIABLES {
        svg = svg.replace(placeholder, variable);
    }
    svg
}

type Quantile = fn(&Moment) -> Option<f64>;

/// Times to the first octet in the course of time: medians, and the slowest hundredth dashed.
pub(super) fn latency_over_time(area: &Area<'_>, screen: Screen, summary: &Summary) -> Drawn {
    let moments = &summary.timeline;
    let all = |of: fn(&Moment) -> [Option<f64>; 2]| moments.iter().flat_map(of).flatten();
    let top = all(|moment| [moment.online_p99_ms, moment.target_p99_ms]).fold(0.0, f64::max);
    let mut chart = over_time(area, screen, summary, top, &|ms| tick(*ms))?;
    let lines: [(RGBColor, Quantile, Quantile); 2] = [
        (ONLINE, |moment| moment.online_p50_ms, |moment| moment.online_p99_ms),
        (TARGET, |moment| moment.target_p50_ms, |moment| moment.target_p99_ms),
    ];
    for (colour, median, tail) in lines {
        let points =
            |of: Quantile| moments.iter().filter_map(move |moment| Some((middle(moment), of(moment)?)));
        chart.draw_series(DashedLineSeries::new(points(tail), 4, 3, colour.stroke_width(1)))?;
        chart.draw_series(LineSeries::new(points(median), colour.stroke_width(2)))?;
        // A line needs two points.
        if moments.len() < 3 {
            chart.draw_series(points(median).map(|point| Circle::new(point, 3, colour.filled())))?;
        }
    }
    Ok(())
}

/// Requests a second in the course of time, and those of them that the target did not answer.
pub(super) fn throughput_over_time(area: &Area<'_>, screen: Screen, summary: &Summary) -> Drawn {
    let moments = &summary.timeline;
    let top = moments.iter().map(|moment| rate(moment, moment.requests)).fold(0.0, f64::max);
    let mut chart = over_time(area, screen, summary, top, &|rate| format!("{rate:.0}/s"))?;
    for (colour, of) in
        [(ONLINE, (|moment| moment.requests) as fn(&Moment) -> u64), (BAD, |moment| moment.missing)]
    {
        let bars = moments.iter().filter(|moment| of(moment) > 0).map(|moment| {
            let from = moment.at + moment.seconds * 0.1;
            Rectangle::new(
                [(from, 0.0), (moment.at + moment.seconds * 0.9, rate(moment, of(moment)))],
                colour.filled(),
            )
        });
        chart.draw_series(bars)?;
    }
    Ok(())
}

/// How often each time to the first octet occurs.
pub(super) fn distribution(area: &Area<'_>, screen: Screen, summary: &Summary) -> Drawn {
    let bars = &summary.distribution;
    let (Some(first), Some(last)) = (bars.first(), bars.last()) else { return Ok(()) };
    let total = |of: fn(&super::summary::Bar) -> u64| bars.iter().map(of).sum::<u64>().max(1);
    let totals = [total(|bar| bar.online), total(|bar| bar.target)];
    let part = |count: u64, total: u64| share(count, total) * 100.0;
    let parts = bars.iter().flat_map(|bar| [part(bar.online, totals[0]), part(bar.target, totals[1])]);
    let top = nice_top(parts.fold(0.0, f64::max));
    let left = first.up_to_ms / 1.34;
    let x = (left..last.up_to_ms).log_scale();
    let mut chart = margins(area).build_cartesian_2d(x, 0.0..top)?;
    mesh(&mut chart, screen.labels(), &|ms: &f64| tick(*ms), &|percent: &f64| format!("{percent:.0} %"))?;
    for (colour, of, total) in [
        (ONLINE, (|bar| bar.online) as fn(&super::summary::Bar) -> u64, totals[0]),
        (TARGET, |bar| bar.target, totals[1]),
    ] {
        let mut outline = vec![(left, 0.0)];
        let mut from = left;
        for bar in bars {
            let height = part(of(bar), total);
            outline.extend([(from, height), (bar.up_to_ms, height)]);
            from = bar.up_to_ms;
        }
        outline.push((from, 0.0));
        chart.draw_series(std::iter::once(Polygon::new(outline.clone(), colour.mix(0.25))))?;
        chart.draw_series(LineSeries::new(outline, colour.stroke_width(2)))?;
    }
    Ok(())
}

/// What how many requests did not exceed, closer and closer to all of them.
pub(super) fn percentiles(area: &Area<'_>, _: Screen, summary: &Summary) -> Drawn {
    let nines = |part: f64| -(1.0 - part).log10();
    let Some(last) = summary.curve.last() else { return Ok(()) };
    let values = summary.curve.iter().flat_map(|point| [point.online_ms, point.target_ms]);
    let (end, top) = (nines(last.part).ceil().max(1.0), nice_top(values.fold(0.0, f64::max)));
    let label = |nines: &f64| match *nines {
        between if between.fract() > 0.01 && between.fract() < 0.99 => String::new(),
        nines => nines_label(nines.round()),
    };
    let mut chart = margins(area).build_cartesian_2d(0.0..end, 0.0..top)?;
    mesh(&mut chart, WHOLE_NINES, &label, &|ms: &f64| tick(*ms))?;
    let online = summary.curve.iter().map(|point| (nines(point.part), point.online_ms));
    chart.draw_series(LineSeries::new(online, ONLINE.stroke_width(2)))?;
    let target = summary.curve.iter().map(|point| (nines(point.part), point.target_ms));
    chart.draw_series(LineSeries::new(target, TARGET.stroke_width(2)))?;
    Ok(())
}

type Chart<'a, 'b, X, Y> = ChartContext<'a, SVGBackend<'b>, Cartesian2d<X, Y>>;

fn margins<'a, 'b>(area: &'a Area<'b>) -> ChartBuilder<'a, 'b, SVGBackend<'b>> {
    let mut builder = ChartBuilder::on(area);
    builder.margin(8).margin_right(28).x_label_area_size(26).y_label_area_size(64);
    builder
}

/// A chart over the seconds since the start.
fn over_time<'a, 'b>(
    area: &'a Area<'b>,
    screen: Screen,
    summary: &Summary,
    top: f64,
    label: &dyn Fn(&f64) -> String,
) -> Result<Chart<'a, 'b, RangedCoordf64, RangedCoordf64>, Box<dyn std::error::Error>> {
    let end = summary.timeline.last().map_or(1.0, |moment| moment.at + moment.seconds);
    let mut chart = margins(area).build_cartesian_2d(0.0..end, 0.0..nice_top(top))?;
    let at = |seconds: &f64| match end {
        ..10.0 => format!("{seconds:.1} s"),
        ..600.0 => format!("{seconds:.0} s"),
        _ => format!("{:.0} min", seconds / 60.0),
    };
    mesh(&mut chart, screen.labels(), &at, label)?;
    Ok(chart)
}

fn mesh<X, Y>(
    chart: &mut Chart<'_, '_, X, Y>,
    labels: usize,
    x_label: &dyn Fn(&f64) -> String,
    y_label: &dyn Fn(&f64) -> String,
) -> Drawn
where
    X: Ranged<ValueType = f64> + ValueFormatter<f64>,
    Y: Ranged<ValueType = f64> + ValueFormatter<f64>,
{
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(GRID)
        .axis_style(GRID)
        .label_style(("sans-serif", 15).into_font().color(&INK))
        .x_labels(labels)
        .y_labels(5)
        .x_label_formatter(x_label)
        .y_label_formatter(y_label)
        .draw()?;
    Ok(())
}

/// 0 %, 90 %, 99 %, 99.9 % and so on.
fn nines_label(nines: f64) -> String {
    match nines {
        ..0.5 => "0 %".to_owned(),
        ..1.5 => "90 %".to_owned(),
        ..2.5 => "99 %".to_owned(),
        ..3.5 => "99.9 %".to_owned(),
        ..4.5 => "99.99 %".to_owned(),
        _ => "99.999 %".to_owned(),
    }
}

/// A time without zeros behind the point.
fn tick(milliseconds: f64) -> String {
    let shown = time(milliseconds);
    match shown.split_once(' ') {
        Some((number, unit)) if number.contains('.') => {
            format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
        }
        Some(_) | None => shown,
    }
}

/// A little more than the highest value, so that nothing touches the edge.
fn nice_top(highest: f64) -> f64 {
    if highest > 0.0 { highest * 1.08 } else { 1.0 }
}

fn middle(moment: &Moment) -> f64 {
    moment.at + moment.seconds / 2.0
}

#[expect(clippy::cast_precision_loss, reason = "a pixel needs no more than 52 bits")]
fn share(part: u64, whole: u64) -> f64 {
    part as f64 / whole.max(1) as f64
}

#[expect(clippy::cast_precision_loss, reason = "a pixel needs no more than 52 bits")]
fn rate(moment: &Moment, count: u64) -> f64 {
    count as f64 / moment.seconds
}
