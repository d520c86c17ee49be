"""Grafana's dashboards, made by code: what is committed in ops/grafana/dashboards is what `make dashboards` writes."""
