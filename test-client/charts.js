// The charts of the dashboard.
