"""Who may do what: permissions, roles, what somebody holds, and what they may hand on. Pure."""
