"""The kinds of panel that the dashboards are made of: each has a unit, a text that says what it tells, and limits where there are some."""

from collections.abc import Mapping, Sequence

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog import builder, variants
from grafana_foundation_sdk.models import common as looks
from grafana_foundation_sdk.models.common import DataSourceRef
from grafana_foundation_sdk.models.dashboard import (
    DashboardCursorSync,
    DashboardLinkType,
    DashboardRangeMapOptions,
    DynamicConfigValue,
    Panel,
    RangeMap,
    Threshold,
    ThresholdsMode,
    ValueMappingResult,
)

PROMETHEUS = DataSourceRef(type_val="prometheus", uid="${prometheus}")
POSTGRESQL = DataSourceRef(type_val="grafana-postgresql-datasource", uid="${postgresql}")
WIDTH = 24
"""Columns of a dashboard."""

Query = tuple[str, str]
"""An expression, and what the legend calls each of its series."""
Limits = tuple[float, float]
"""From where on a value is yellow, and red; the other way round where less is worse."""

NEVER = RangeMap(
    DashboardRangeMapOptions(from_val=1e12, result=ValueMappingResult(text="nobody works", color="red"))
)
"""Instead of an endless time."""


class Sql(variants.Dataquery):
    """A query for PostgreSQL; of these the library has no type."""

    def __init__(self, statement: str, *, shape: str) -> None:
        self.statement, self.shape = statement, shape

    def to_json(self) -> dict[str, object]:
        """As Grafana's PostgreSQL source reads it."""
        return {
            "datasource": POSTGRESQL,
            "editorMode": "code",
            "format": self.shape,
            "rawQuery": True,
            "rawSql": self.statement,
            "refId": "A",
        }


class _Made(builder.Builder[variants.Dataquery]):
    def __init__(self, query: variants.Dataquery) -> None:
        self._query = query

    def build(self) -> variants.Dataquery:
        return self._query


def board(name: str, title: str, text: str, *, since: str = "now-6h") -> dashboard.Dashboard:
    """Return an empty dashboard that leads to the others and asks the chosen Prometheus."""
    others = (
        dashboard.DashboardLink("LingoLoop")
        .type(DashboardLinkType.DASHBOARDS)
        .tags(["lingoloop"])
        .as_dropdown(True)
        .keep_time(True)
    )
    return (
        dashboard.Dashboard(f"LingoLoop: {title}")
        .uid(f"lingoloop-{name}")
        .description(text)
        .tags(["lingoloop"])
        .link(others)
        .readonly()
        .refresh("30s")
        .time(since, "now")
        .timezone("browser")
        .tooltip(DashboardCursorSync.CROSSHAIR)
        .with_variable(dashboard.DatasourceVariable("prometheus").label("Prometheus").type("prometheus"))
    )


def number(
    title: str,
    unit: str,
    text: str,
    expression: str,
    *,
    limits: Limits | None = None,
    width: int = 3,
    decimals: int | None = None,
) -> stat.Panel:
    """Return one figure of now, large, with its course behind it."""
    panel = (
        stat.Panel()
        .title(title)
        .description(text)
        .unit(unit)
        .datasource(PROMETHEUS)
        .span(width)
        .height(4)
        .reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
        .graph_mode(looks.BigValueGraphMode.AREA)
        .color_mode(looks.BigValueColorMode.VALUE)
        .thresholds(_thresholds(limits))
        .mappings([NEVER])
        .with_target(prometheus.Dataquery().expr(expression).ref_id("A").range())
    )
    return panel if decimals is None else panel.decimals(decimals)


def course_of_rows(title: str, unit: str, text: str, statement: str, *, width: int) -> timeseries.Panel:
    """Return a line over time of what PostgreSQL answers: a column `time`, and one with values."""
    panel = course(title, unit, text, width=width).datasource(POSTGRESQL)
    return panel.with_target(_Made(Sql(statement, shape="time_series")))


def course(
    title: str,
    unit: str,
    text: str,
    *queries: Query,
    limits: Limits | None = None,
    width: int = 8,
    stacked: bool = False,
) -> timeseries.Panel:
    """Return lines over time, with a line at each limit."""
    panel = (
        timeseries.Panel()
        .title(title)
        .description(text)
        .unit(unit)
        .datasource(PROMETHEUS)
        .span(width)
        .height(8)
        .min(0)
        .line_width(1)
        .fill_opacity(30 if stacked else 5)
        .show_points(looks.VisibilityMode.NEVER)
        .legend(
            common.VizLegendOptions()
            .display_mode(looks.LegendDisplayMode.LIST)
            .placement(looks.LegendPlacement.BOTTOM)
            .show_legend(True)
        )
        .tooltip(common.VizTooltipOptions().mode(looks.TooltipDisplayMode.MULTI))
        .thresholds(_thresholds(limits))
    )
    if limits:
        style = looks.GraphThresholdsStyleMode.DASHED
        panel = panel.thresholds_style(common.GraphThresholdsStyleConfig().mode(style))
    if stacked:
        panel = panel.stacking(common.StackingConfig().mode(looks.StackingMode.NORMAL))
    for ref_id, (expression, legend) in zip("ABCDEF", queries, strict=False):
        query = prometheus.Dataquery().expr(expression).legend_format(legend).ref_id(ref_id).range()
        panel = panel.with_target(query)
    return panel


def rows(
    title: str,
    text: str,
    statement: str,
    *,
    units: Mapping[str, str] | None = None,
    width: int = WIDTH,
    height: int = 8,
    link: tuple[str, str] | None = None,
) -> table.Panel:
    """Return a table of what PostgreSQL answers; units by column, and a column whose values lead to an address."""
    panel = (
        table.Panel()
        .title(title)
        .description(text)
        .datasource(POSTGRESQL)
        .span(width)
        .height(height)
        .with_target(_Made(Sql(statement, shape="table")))
    )
    for column, unit in (units or {}).items():
        panel = panel.override_by_name(column, [DynamicConfigValue("unit", unit)])
    if link:
        column, address = link
        to = [{"title": "Show this one", "url": address}]
        panel = panel.override_by_name(column, [DynamicConfigValue("links", to)])
    return panel


def add(to: dashboard.Dashboard, title: str, panels: Sequence[builder.Builder[Panel]]) -> None:
    """Add a row with its panels."""
    to.with_row(dashboard.Row(title))
    for panel in panels:
        to.with_panel(panel)


def _thresholds(limits: Limits | None) -> dashboard.ThresholdsConfig:
    steps = [Threshold(None, "green")]
    if limits and limits[0] <= limits[1]:
        steps += [Threshold(limits[0], "yellow"), Threshold(limits[1], "red")]
    elif limits:
        steps = [Threshold(None, "red"), Threshold(limits[1], "yellow"), Threshold(limits[0], "green")]
    return dashboard.ThresholdsConfig().mode(ThresholdsMode.ABSOLUTE).steps(steps)
