#!/bin/bash
# Every sentence of ui/messages_details_*.def is one that the program still writes, so that it is found again; no sentence is
# there twice, and none is so general that it fits what it does not mean.
set -u
git ls-files '*.c' '*.h' | grep -v '^tests/' | perl -e '
    use strict;
    my (%written, %forms, $bad);
    my $spec = qr/%[-+ #0-9.*]*(?:ll|z|l|h)?[a-zA-Z]/;
    while (my $file = <STDIN>) {
        chomp $file;
        open my $h, "<", $file or next;
        local $/;
        my $s = <$h>;
        $s =~ s/"\s*PRI[a-z]\d+\s*"/llu/g;
        $s =~ s/"\s*PRI[a-z]\d+/llu"/g;
        $s =~ s/"\s*\n\s*"//g;
        $written{$1}++ while $s =~ /"((?:[^"\\\n]|\\.)*)"/g;
    }
    for my $t (keys %written) { # "seat %u is %s", by its longest words, if they say enough
        next unless $t =~ $spec;
        my ($longest) = sort { length $b <=> length $a } split $spec, $t;
        $forms{$t} = $longest if $longest =~ /[a-z]{3}.*[a-z]{3}/;
    }
    sub form { "^" . join(".+?", map quotemeta, @_) . "\$" }
    my $all = join "\n", keys %written;
    my %seen;
    for my $file (glob "ui/messages_details_*.def") {
        open my $h, "<", $file;
        while (<$h>) {
            next unless /^D\("((?:[^"\\]|\\.)*)", "/;
            my $t = $1;
            print("$file:$.: twice: $t\n"), $bad++ if $seen{$t}++;
            (my $words = $t) =~ s/\{\d\}//g;
            print("$file:$.: fits too much: $t\n"), $bad++ if $words ne $t && $words !~ /[a-z]{4}/;
            next if $written{$t};
            my $form = join "[^\\n]+?", map quotemeta, split /\{\d\}/, $t, -1;
            next if $words ne $t && $all =~ /^$form$/m;
            next if grep { index($t, $forms{$_}) >= 0 && $t =~ form(split $spec, $_, -1) } keys %forms;
            print("$file:$.: the program does not write: $t\n"), $bad++;
        }
    }
    $bad += 0;
    print $bad ? "0 passed, $bad failed\n" : "1 passed, 0 failed\n";
    exit($bad ? 1 : 0);'
