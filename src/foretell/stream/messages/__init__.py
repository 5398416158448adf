"""What goes in and out: blocks of records, forecasts, dead letters, the changelog."""
