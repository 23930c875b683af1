"""Data sets that a name alone chooses: public sets that are downloaded once, and small ones that need no network."""
