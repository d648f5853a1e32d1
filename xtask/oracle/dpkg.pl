# Dpkg::Version. Lines in: "c A B", both in hexadecimal. One character out for each: < = > or ! where dpkg refuses.
use strict;
use warnings;
use Dpkg;
use Dpkg::Version;

print "$Dpkg::PROGVERSION\n";
my @sign = ('<', '=', '>');
while (my $line = <STDIN>) {
    chomp $line;
    my (undef, $left, $right) = split / /, $line, -1;
    my ($one, $other) = map { Dpkg::Version->new(pack('H*', $_), check => 1) } ($left, $right);
    print defined $one && defined $other ? $sign[1 + ($one <=> $other)] : '!', "\n";
}
