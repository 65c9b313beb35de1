"""The chat and the command line. Import what you use: the chat takes seconds to load."""
