"""The operators' files: images, compose, Kubernetes, alerts, dashboards, drills."""
