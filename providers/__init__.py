"""Who someone is: authentication providers, found by entry point and chosen by name."""
