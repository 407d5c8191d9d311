"""From an exported model to a served one, and detoxing as a service of its own."""
