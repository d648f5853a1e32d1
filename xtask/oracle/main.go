// golang.org/x/mod/semver, and what the go command knows of its own versions. Lines in: "c A B", both in hexadecimal. One
// character out for each: < = > or ! where it is no version.
package main

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"go/version"
	"os"
	"runtime"
	"strings"

	"oracle/semver"
)

func answer(left, right string) string {
	order := 0
	switch {
	case strings.HasPrefix(left, "go") && strings.HasPrefix(right, "go"):
		if !version.IsValid(left) || !version.IsValid(right) {
			return "!"
		}
		order = version.Compare(left, right)
	default:
		left, right = "v"+strings.TrimPrefix(left, "v"), "v"+strings.TrimPrefix(right, "v")
		if !semver.IsValid(left) || !semver.IsValid(right) {
			return "!"
		}
		order = semver.Compare(left, right)
	}
	return "<=>"[1+order : 2+order]
}

func main() {
	out := bufio.NewWriter(os.Stdout)
	defer out.Flush()
	fmt.Fprintln(out, runtime.Version())
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		parts := strings.Split(lines.Text(), " ")
		left, _ := hex.DecodeString(parts[1])
		right, _ := hex.DecodeString(parts[2])
		fmt.Fprintln(out, answer(string(left), string(right)))
	}
}
