"""The dashboards: tables of panels, what Grafana reads, and pictures of them."""
