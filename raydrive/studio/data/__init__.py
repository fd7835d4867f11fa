"""What the studio shows, as data: a run's history, the page's document, what-if."""
