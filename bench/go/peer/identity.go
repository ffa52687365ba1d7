package main

import "context"

// An identity is who a token stands for.
type identity struct {
	user, uid string
	groups    []string
}

type contextKey int

const who contextKey = 0

func with(ctx context.Context, found *identity) context.Context {
	return context.WithValue(ctx, who, found)
}
