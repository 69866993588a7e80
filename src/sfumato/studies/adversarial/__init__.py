"""Why the game is hard to play, and nine ways to play it."""
