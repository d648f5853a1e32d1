<?php
// composer/semver, whose autoloader or directory of sources the first argument names. Lines in: "c A B" compares, "s REQUIREMENT
// VERSION" asks whether it is satisfied, all in hexadecimal. One character out for each: < = > t f, ? where neither is above
// the other, or ! where Composer refuses.
$source = $argv[1];
spl_autoload_register(function ($class) use ($source) {
    $file = $source . '/' . str_replace(['Composer\\Semver\\', '\\'], ['', '/'], $class) . '.php';
    if (is_file($file)) {
        require $file;
    }
});
$parser = new Composer\Semver\VersionParser();
$answer = function ($kind, $left, $right) use ($parser) {
    $right = $parser->normalize($right);
    if ($kind === 's') {
        $provided = new Composer\Semver\Constraint\Constraint('==', $right);
        return $parser->parseConstraints($left)->matches($provided) ? 't' : 'f';
    }
    $left = $parser->normalize($left);
    foreach (['<' => '<', '==' => '=', '>' => '>'] as $operator => $sign) {
        if (Composer\Semver\Comparator::compare($left, $operator, $right)) {
            return $sign;
        }
    }
    return '?';
};
echo phpversion(), "\n";
while (($line = fgets(STDIN)) !== false) {
    [$kind, $left, $right] = explode(' ', rtrim($line, "\n"));
    try {
        echo $answer($kind, hex2bin($left), hex2bin($right)), "\n";
    } catch (Throwable $refused) {
        echo "!\n";
    }
}
