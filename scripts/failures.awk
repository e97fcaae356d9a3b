# Of what `go test` printed, with -v or without: each test that failed, and the first things it complained of.
# A complaint may go on for some lines, but for what a program wrote beside the test.
function said(test, line) {
  if (line ~ /^ *[A-Za-z0-9_]+\.go:[0-9]+: /) rest = ++lines[test] > 8 || line ~ /(printed|\.log):$/ ? 0 : 7
  else if (line !~ /^        /) rest = 0
  if (rest-- > 0) text[test] = text[test] substr(line, 1, 300) "\n"
}
function tell(test) { printf "%s", text[test]; text[test] = "" }
/^=== (RUN|CONT|NAME|PAUSE) / { at = $3; next }
/^ *--- FAIL: / { at = $3; print substr($0, 1, 200); tell(at); failed = 1; next }
/^ *--- (PASS|SKIP): / { text[$3] = ""; lines[$3] = failed = 0; next }
/^(panic: |fatal error: |WARNING: DATA RACE|FAIL\t)/ { print substr($0, 1, 200); next }
{ said(at, $0); if (failed && /^ /) tell(at); else failed = 0 }
