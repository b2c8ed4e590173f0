"""From a candidate's evidence to alerts that leave: what they say, and the dispatcher that empties the outbox."""
