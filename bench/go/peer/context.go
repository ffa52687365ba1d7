package main

import "context"

type contextKey int

const who contextKey = 0

func with(ctx context.Context, found *identity) context.Context {
	return context.WithValue(ctx, who, found)
}
