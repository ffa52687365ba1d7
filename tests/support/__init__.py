"""The real programs that tests run against, each as a pytest fixture."""
