package e2e

// otherCalls are of this processor alone.
func (l *attempts) otherCalls() {
	l.try("call modify_ldt", "call", "modify_ldt")
	l.try("call iopl", "call", "iopl").perhaps("not every kernel has it", "call", "landlock")
	l.try("call ioperm", "call", "ioperm").perhaps("not every kernel has it", "call", "landlock")
	l.try("calls of the x32 kind", "x32").perhaps("hardly a kernel has it", "call", "landlock")
	l.try("calls of 32-bit programs", "int80").perhaps("not every kernel has it", "call", "landlock")
}
