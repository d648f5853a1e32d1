// npm's semver, named by the first argument. Lines in: "c A B" compares, "s REQUIREMENT VERSION" asks whether it is satisfied,
// all in hexadecimal. One character out for each: < = > t f, or ! where semver refuses.
const semver = require(process.argv[2])
const text = (hex) => Buffer.from(hex, 'hex').toString()
const answer = (kind, left, right) => {
  if (kind === 's') {
    // Only the range may be refused: a version that is none satisfies nothing.
    if (!semver.valid(right)) return '!'
    return new semver.Range(left).test(right) ? 't' : 'f'
  }
  return '<=>'[1 + semver.compare(left, right)]
}
const out = [require(process.argv[2] + '/package.json').version]
for (const line of require('fs').readFileSync(0, 'utf8').split('\n').slice(0, -1)) {
  const [kind, left, right] = line.split(' ')
  try {
    out.push(answer(kind, text(left), text(right)))
  } catch {
    out.push('!')
  }
}
process.stdout.write(out.join('\n') + '\n')
