"""What each key of a sweep file means, for people: ``raydrive explain`` and the documentation's reference."""
