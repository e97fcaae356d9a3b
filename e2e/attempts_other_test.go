//go:build !amd64

package e2e

func (l *attempts) otherCalls() {}
