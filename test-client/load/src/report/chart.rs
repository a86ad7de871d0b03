//! A line chart as SVG, drawn by hand: two pictures do not pay for a plotting library, of which the usual one has had no release since 2024.
//!
//! Both axes are logarithmic, since the servers lie an order of magnitude apart. Readable on a light and on a dark page.

use std::fmt::Write as _;

use crate::server::Kind;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 400.0;
const LEFT: f64 = 56.0;
const RIGHT: f64 = 120.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 48.0;
/// Lines of text closer than this would overlap.
const LINE: f64 = 15.0;
const STYLE: &str = "text{font:12px system-ui,sans-serif;fill:#555}.title{font-size:14px;font-weight:600}.grid{stroke:#8886;stroke-width:.5}\
    polyline{fill:none;stroke-width:2}@media(prefers-color-scheme:dark){text{fill:#bbb}}";

const fn colour(kind: Kind) -> &'static str {
    match kind {
        Kind::Floor => "#888888",
        Kind::Chaincast => "#d9480f",
        Kind::Nchan => "#1971c2",
        Kind::ActixWebLab => "#2f9e44",
        Kind::Express => "#9c36b5",
        Kind::BetterSse => "#c2981b",
    }
}

/// A scale from values to pixels.
struct Axis {
    low: f64,
    high: f64,
    from: f64,
    to: f64,
}

impl Axis {
    fn at(&self, value: f64) -> f64 {
        let share = (value.max(self.low) / self.low).ln() / (self.high / self.low).ln();
        self.from + share * (self.to - self.from)
    }

    /// 1, 2 and 5 of each decade.
    fn ticks(&self) -> Vec<f64> {
        let decades = self.low.log10().floor() as i32..=self.high.log10().ceil() as i32;
        let all = decades.flat_map(|decade| [1.0, 2.0, 5.0].map(|step| step * 10f64.powi(decade)));
        all.filter(|tick| (self.low..=self.high).contains(tick)).collect()
    }
}

/// Lines over connections.
pub(super) fn lines(title: &str, across: &str, lines: &[(Kind, Vec<(f64, f64)>)]) -> String {
    let points = || lines.iter().flat_map(|(_, points)| points);
    let bounds = |value: fn(&(f64, f64)) -> f64| {
        let (low, high) = points().map(value).fold((f64::INFINITY, 0.0f64), |(low, high), value| (low.min(value), high.max(value)));
        (low.max(1e-3), high.max(low * 1.1).max(2e-3))
    };
    let ((left, right), (low, high)) = (bounds(|point| point.0), bounds(|point| point.1));
    let x = Axis { low: left, high: right, from: LEFT, to: WIDTH - RIGHT };
    let y = Axis { low: low / 1.3, high: high * 1.3, from: HEIGHT - BOTTOM, to: TOP };
    let mut svg = format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{title}"><style>{STYLE}</style>
<text class="title" x="{LEFT}" y="22">{title}</text>
<text x="{}" y="{}" text-anchor="middle">{across}</text>
"#,
        (LEFT + WIDTH - RIGHT) / 2.0,
        HEIGHT - 10.0,
    );
    for tick in y.ticks() {
        let at = y.at(tick);
        let _ = writeln!(svg, r#"<line class="grid" x1="{LEFT}" x2="{:.1}" y1="{at:.1}" y2="{at:.1}"/>"#, WIDTH - RIGHT);
        let _ = writeln!(svg, r#"<text x="{:.1}" y="{:.1}" text-anchor="end">{tick}</text>"#, LEFT - 8.0, at + 4.0);
    }
    let mut stops: Vec<f64> = points().map(|point| point.0).collect();
    stops.sort_by(f64::total_cmp);
    stops.dedup();
    for stop in stops {
        let at = x.at(stop);
        let _ = writeln!(svg, r#"<text x="{at:.1}" y="{:.1}" text-anchor="middle">{stop}</text>"#, HEIGHT - BOTTOM + 18.0);
    }
    let mut names: Vec<(f64, Kind)> = Vec::new();
    for (kind, points) in lines {
        let path: Vec<_> = points.iter().map(|(across, up)| format!("{:.1},{:.1}", x.at(*across), y.at(*up))).collect();
        let width = if *kind == Kind::Chaincast { 3.5 } else { 2.0 };
        let _ = writeln!(svg, r#"<polyline points="{}" stroke="{}" style="stroke-width:{width}"/>"#, path.join(" "), colour(*kind));
        names.extend(points.last().map(|(_, up)| (y.at(*up), *kind)));
    }
    names.sort_by(|one, other| one.0.total_cmp(&other.0));
    let mut above = f64::NEG_INFINITY;
    for (at, kind) in names {
        let at = at.max(above + LINE);
        above = at;
        let _ = writeln!(svg, r#"<text x="{:.1}" y="{:.1}" style="fill:{}">{kind}</text>"#, WIDTH - RIGHT + 8.0, at + 4.0, colour(kind));
    }
    svg + "</svg>\n"
}
