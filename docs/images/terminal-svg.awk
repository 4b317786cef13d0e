# Lines of a terminal as an SVG picture. Escape sequences must be gone already.
# -v title=TEXT (shown in the bar), colours below. Width follows the longest line.
# Characters, not bytes: run under LC_ALL=C, where every awk sees bytes.
function width(s) { return length(s) - gsub(/[\200-\277]/, "", s) }
function escape(s) {
    gsub(/&/, "\\&amp;", s); gsub(/</, "\\&lt;", s); gsub(/>/, "\\&gt;", s); gsub(/ /, "\302\240", s) # viewers fold plain spaces
    return s
}
# What a line is decides its colour.
function colour(s) {
    if (s ~ /^\$ /) return "#ffffff"
    if (s ~ /FAIL/) return "#ff7b72"
    if (s ~ /PASS|verified:/) return "#7ee787"
    if (s ~ /NOT CHECKED|^warning/) return "#e3b341"
    if (s ~ /^\[/) return "#79c0ff"
    if (s ~ /⋮/) return "#8b949e"
    return "#d0d7de"
}
{ sub(/[ \t]+$/, ""); line[NR] = $0; n = width($0); if (n > widest) widest = n }
END {
    cw = 7.83; lh = 17; pad = 16; bar = 30
    w = int(widest * cw + 2 * pad + 8); h = bar + pad + NR * lh + pad
    printf "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\" viewBox=\"0 0 %d %d\" role=\"img\">\n", w, h, w, h
    printf "<title>%s</title>\n", escape(title)
    printf "<rect width=\"%d\" height=\"%d\" rx=\"8\" fill=\"#0d1117\"/>\n", w, h
    printf "<rect width=\"%d\" height=\"%d\" rx=\"8\" fill=\"#21262d\"/>\n", w, bar
    printf "<text x=\"%d\" y=\"20\" fill=\"#8b949e\" font-family=\"sans-serif\" font-size=\"13\">%s</text>\n", pad, escape(title)
    printf "<g font-family=\"ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace\" font-size=\"13\">\n"
    for (i = 1; i <= NR; i++)
        if (line[i] != "")
            printf "<text x=\"%d\" y=\"%d\" fill=\"%s\" textLength=\"%.1f\" lengthAdjust=\"spacingAndGlyphs\">%s</text>\n", \
                pad, bar + pad + i * lh - 4, colour(line[i]), width(line[i]) * cw, escape(line[i])
    print "</g>\n</svg>"
}
