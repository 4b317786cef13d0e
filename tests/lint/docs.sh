#!/bin/bash
# What the documents name is there: links and paths; tests, as the threat model names them; checks; verbs of the programs and
# their options, as --help says them. And the files that comments name.
set -u
export OUT=${OUT:-build}
for p in conclave conclave-tally conclave-verify; do
    [ -x "$OUT/$p" ] || { echo "$OUT/$p is not built"; exit 1; }
done
git ls-files '*.md' | perl -e '
    use strict;
    my ($bad, $seen, %help) = (0, 0);
    sub say_bad { print "@_\n"; $bad++ }
    sub help { my $words = shift; $help{$words} //= `$ENV{OUT}/$words --help 2>/dev/null` }
    sub there { my $p = shift; -e $p || -e "tests/$p" }
    # Of one command: its verb of one or two words, and its options.
    sub command {
        my ($at, $program, $rest) = @_;
        my @words = split " ", $rest;
        my $name = $program;
        my $verb = "";
        if ($program !~ /verify/) {
            my @w = grep { /^[a-z][a-z-]*$/ } @words[0 .. ($#words < 1 ? $#words : 1)];
            for my $v (@w > 1 ? ("$w[0] $w[1]", $w[0]) : @w) {
                next unless help($program) =~ /^  \Q$v\E( |$)/m;
                $verb = $v;
                last;
            }
            return unless $verb; # a sentence about the program
            $name = "$program $verb";
        }
        $seen++;
        my $text = help($name);
        for my $o ($rest =~ /(?<![\w-])--([a-z][a-z-]*)/g) {
            say_bad("$at: $name has no --$o") unless $o eq "help" || $text =~ /--$o\b(?!-)/;
        }
    }
    while (my $file = <STDIN>) {
        chomp $file;
        next if $file =~ /CHANGELOG/; # what was
        open my $h, "<", $file or next;
        my ($dir) = $file =~ m{^(.*/)};
        $dir //= "";
        my ($fence, $line, $long) = (0, 0, "");
        while (my $l = <$h>) {
            $line++;
            $fence = !$fence if $l =~ /^\s*```/;
            while (!$fence && $l =~ /\]\(([^)#\s]+)(?:#[^)]*)?\)/g) {
                my $u = $1;
                next if $u =~ /^[a-z]+:/;
                $seen++;
                say_bad("$file:$line: no file $u") unless -e "$dir$u";
            }
            my @code = $fence ? () : $l =~ /`([^`\n]+)`/g;
            for my $c (@code) {
                next unless $c =~ m{^((?:[a-z][\w-]*/)+[\w.-]+\.(?:c|h|sh|md|def|yml|json))(?::\s*(.*))?$};
                my ($path, $names) = ($1, $2 // "");
                next unless $path =~ m{^(tests|tally|ui|hsm|ceremony|appliance|images|docs|math|base|faults|fuzz|e2e|mutants)/};
                $seen++;
                say_bad("$file:$line: no file $path"), next unless there($path);
                next unless $path =~ /\.c$/ && $names;
                open my $t, "<", -e $path ? $path : "tests/$path";
                my $text = do { local $/; <$t> };
                for my $n (split /,\s*/, $names) {
                    say_bad("$file:$line: $path has no $n") unless $n !~ /^\w+$/ || $text =~ /\b$n\(/;
                }
            }
            if ($fence) { # commands, continued with a backslash
                $long .= $l;
                next if $long =~ s/\\\n$/ /;
                @code = ($long);
                $long = "";
            }
            for my $c (@code) {
                next unless $c =~ m{^(?:\$ |\s*|.*[;|&] *|time )(?:build/|\./)?(conclave(?:-tally|-verify)?) ([^|;>#]*)};
                command("$file:$line", $1, $2);
            }
        }
    }
    # Every check of the verifier has its row in checks.md, and every row is a check.
    sub slurp { local (@ARGV, $/) = @_; return join "", <> }
    my %row = map { $_ => 1 } map { /`([a-z]+\.[a-z]+)`/g } slurp("docs/spec/checks.md") =~ /^\| (`[^|]*`) \|/mg;
    my %check = map { $_ => 1 } map { /(?:X\(\w+,|add\(m,)\s+"([a-z]+\.[a-z]+)"/g } map { slurp($_) } glob "tally/*.[ch]";
    $row{$_} or say_bad("docs/spec/checks.md has no row $_") for sort keys %check;
    $check{$_} or say_bad("docs/spec/checks.md: there is no check $_") for sort keys %row;
    $seen += keys %check;
    my @files = split /\n/, `git ls-files`;
    my %base = map { m{([^/]*)$} => 1 } @files;
    for my $file (grep { /\.[ch]$/ } @files) {
        my $text = slurp($file);
        my ($dir) = $file =~ m{^(.*/)};
        for my $comment ($text =~ m{/\*.*?\*/}gs) {
            for my $p ($comment =~ m{(?<![\w/.*\$-])([a-z][\w/]*[a-z0-9-]\.(?:md|h|c|sh|scr))\b(?!\*)}g) {
                next if $p =~ /[A-Z]/; # face_NAME.c
                $seen++;
                say_bad("$file: a comment names $p") unless there($p) || -e "$dir$p" || $base{$p} || grep { m{/\Q$p\E$} } @files;
            }
        }
    }
    print "names looked at: $seen\n";
    print $bad ? "0 passed, $bad failed\n" : "1 passed, 0 failed\n";
    exit($bad ? 1 : 0);'
