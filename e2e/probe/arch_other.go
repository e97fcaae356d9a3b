//go:build !amd64

package main

func throughInt80() (string, error) { return "", refused{"no such gate on this processor"} }

func throughX32() (string, error) { return throughInt80() }

func archCalls(uintptr) map[string][]uintptr { return nil }
