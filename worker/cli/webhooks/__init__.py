"""balance-worker webhooks: endpoints, and what they are sent."""
