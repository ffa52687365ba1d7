"""What is seen of clusters: their nodes, health, warnings and figures. Summaries are pure."""
