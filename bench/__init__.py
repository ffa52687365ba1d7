"""How fast the gate is, beside what people would use instead; see docs/performance.md."""
