// OSV's own order, of osv-scalibr, for the ecosystem that the first argument names. Lines in: "c A B", both in hexadecimal. One
// character out for each: < = > or ! where it fails.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"os"
	"runtime"
	"strings"

	"oracle/semantic"
)

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	fmt.Fprintln(out, "on", runtime.Version())
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		parts := strings.Split(lines.Text(), " ")
		left, _ := hex.DecodeString(parts[1])
		right, _ := hex.DecodeString(parts[2])
		answer := "!"
		if version, err := semantic.Parse(string(left), os.Args[1]); err == nil {
			if order, err := version.CompareStr(string(right)); err == nil {
				answer = "<=>"[1+order : 2+order]
			}
		}
		fmt.Fprintln(out, answer)
	}
}
