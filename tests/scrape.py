"""A page of metrics, read as Prometheus reads it."""

import httpx
from prometheus_client.parser import text_string_to_metric_families

Labels = tuple[tuple[str, str], ...]


class Page:
    """What one scrape gave."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.series: dict[tuple[str, Labels], float] = {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    def value(self, name: str, **labels: str) -> float | None:
        """Return a series' value; None when there is no such series."""
        return self.series.get((name, tuple(sorted(labels.items()))))

    def total(self, name: str, **labels: str) -> float:
        """Return the sum over all series of a name that have these labels, 0 if there are none."""
        wanted = labels.items()
        return sum(
            value for (one, has), value in self.series.items() if one == name and wanted <= dict(has).items()
        )


async def scrape(port: int) -> Page:
    """Return a service's metrics."""
    async with httpx.AsyncClient() as http:
        answer = await http.get(f"http://127.0.0.1:{port}/metrics")
    assert answer.status_code == 200
    return Page(answer.text)
