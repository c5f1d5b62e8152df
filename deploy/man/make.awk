# SPDX-License-Identifier: BSD-3-Clause
# Makes a man page or a shell completion out of what a program says about itself
# (lib/base/manual.h):
#
#   rookery --print-manual | awk -f make.awk -v make=man|bash|zsh|fish -v version=V [-v extra=FILE]
#
# extra: sections of the man page that no table knows, in roff.
BEGIN { FS = "\t" }

$1 == "program" { program = $2; what = $3 }
$1 == "command" { add_command($2, $3, $4) }
$1 == "option" { add_option() }

END {
    if (!program)
        exit 1
    if (make == "man")
        man_page()
    else if (make == "bash")
        bash_completion()
    else if (make == "zsh")
        zsh_completion()
    else
        fish_completion()
}

# ---- reading

function add_command(name, args, help,    i, n, part, path, words) {
    command[++n_commands] = name
    command_args[n_commands] = args
    command_help[n_commands] = help
    n = split(name, part, " ")
    path = ""
    for (i = 1; i <= n; i++) {
        add_word(path, part[i], i == n ? help : "")
        path = path " " part[i]
    }
    here = path
    add_path(here)
    if (args ~ /^[a-z][a-z0-9-]*( [A-Z]+)?([|][a-z][a-z0-9-]*( [A-Z]+)?)*$/) {
        n = split(args, words, "|")
        for (i = 1; i <= n; i++) {
            sub(/ .*/, "", words[i])
            add_word(path, words[i], "")
        }
    }
}

# " admin user": the words up to here.
function add_path(path) {
    if (!(path in known)) {
        known[path] = 1
        paths[++n_paths] = path
    }
}

function add_word(path, word, help) {
    if (!((path, word) in word_seen)) {
        add_path(path)
        word_of[path, ++n_words[path]] = word
        word_seen[path, word] = 1
    }
    if (help != "")
        word_help[path, word] = help
}

function add_option(    key, id) {
    n_options[here]++
    id = here SUBSEP n_options[here]
    flag[id] = $2; letter[id] = $3; arg[id] = $4; choices[id] = $5
    dflt[id] = $6; env[id] = $7; help_of[id] = $8
    add_path(here)
    key = $2 SUBSEP $8
    if (!(key in row)) {
        rows[++n_rows] = id
        row[key] = n_rows
        variants[$2]++
    }
    users[row[key]] = users[row[key]] (users[row[key]] == "" ? "" : ", ") substr(here, 2)
}

# ---- the man page

function roff(text) {
    gsub(/\\/, "\\e", text)
    gsub(/-/, "\\-", text)
    if (text ~ /^[.']/)
        text = "\\\\&" text
    return text
}

function man_page(    i, id, names, k, line) {
    printf ".TH %s 8 \"\" \"%s %s\" \"System administration\"\n", toupper(program), program, version
    printf ".SH NAME\n%s \\- %s\n", program, roff(summary())
    print ".SH SYNOPSIS"
    if (n_commands)
        printf ".B %s\n.I COMMAND\n.RI [ OPTION ...]\n", program
    else
        printf ".B %s\n.RI [ OPTION ...]\n", program
    if (!n_commands)
        printf ".SH DESCRIPTION\n%s\n", roff(what)
    if (n_commands)
        print ".SH COMMANDS"
    for (i = 1; i <= n_commands; i++) {
        printf ".TP\n.B %s%s%s\n%s\n", program, " " roff(command[i]), \
            command_args[i] == "" ? "" : " " roff(command_args[i]), roff(sentence(command_help[i]))
        names = ""
        for (k = 1; k <= n_options[" " command[i]]; k++)
            names = names (k > 1 ? ", " : "") "\\fB" roff(flag[" " command[i], k]) "\\fR"
        if (names != "")
            printf ".br\n%s\n", names
    }
    print ".SH OPTIONS"
    for (i = 1; i <= n_rows; i++) {
        id = rows[i]
        line = letter[id] == "" ? "" : "\\fB" roff(letter[id]) "\\fR, "
        line = line "\\fB" roff(flag[id]) "\\fR"
        if (arg[id] != "")
            line = line " \\fI" roff(arg[id]) "\\fR"
        printf ".TP\n%s\n", line
        if (variants[flag[id]] > 1)
            printf "(%s) ", roff(users[i])
        printf "%s\n", roff(sentence(help_of[id]))
        if (dflt[id] == "required")
            print "Required."
        else if (dflt[id] != "")
            printf "Default: %s.\n", roff(dflt[id])
        if (env[id] != "") {
            gsub(/ /, ", ", env[id])
            printf "Environment: %s.\n", roff(env[id])
        }
    }
    printf ".TP\n\\fB\\-h\\fR, \\fB\\-\\-help\\fR\nPrint all of this in short.\n"
    if (extra != "")
        while ((getline line <extra) > 0)
            if (line !~ /^\.\\"/)
                print line
}

function summary(    text) {
    text = tolower(substr(what, 1, 1)) substr(what, 2)
    sub(/[.]$/, "", text)
    return text
}

function sentence(text) {
    if (text == "")
        return text
    text = toupper(substr(text, 1, 1)) substr(text, 2)
    return text ~ /[.?!]$/ ? text : text "."
}

# ---- completions

function is_path(text) {
    return text ~ /^(FILE|PATH|DIR|PROGRAM)$/
}

# What a case statement of bash and zsh takes as one of its words.
function quoted(text) {
    gsub(/'/, "'\\''", text)
    return "'" text "'"
}

# Every path but the empty one: ' admin' | ' admin user' | …
function case_of_paths(    i, out) {
    for (i = 1; i <= n_paths; i++)
        if (paths[i] != "")
            out = out (out == "" ? "" : " | ") quoted(paths[i])
    return out == "" ? "-" : out
}

function option_names(path,    k, id, out) {
    for (k = 1; k <= n_options[path]; k++) {
        id = path SUBSEP k
        out = out " " flag[id] (letter[id] == "" ? "" : " " letter[id])
    }
    return substr(out " --help", 2)
}

# "path:--flag) …" lines for the values of options.
function value_cases(files, none,    i, k, id, names, list) {
    for (i = 1; i <= n_paths; i++)
        for (k = 1; k <= n_options[paths[i]]; k++) {
            id = paths[i] SUBSEP k
            if (arg[id] == "")
                continue
            names = quoted(paths[i] ":" flag[id])
            if (letter[id] != "")
                names = names " | " quoted(paths[i] ":" letter[id])
            list = choices[id]
            gsub(/[|]/, " ", list)
            if (list != "")
                printf "    %s) %s; return ;;\n", names, value_words(list)
            else
                printf "    %s) %s; return ;;\n", names, is_path(arg[id]) ? files : none
        }
}

function value_words(list) {
    return make == "bash" ? "COMPREPLY=($(compgen -W \"" list "\" -- \"$cur\"))" : "compadd -- " list
}

function bash_completion(    i, k, path, list, name) {
    name = program
    gsub(/-/, "_", name)
    printf "# bash completion of %s %s; made by its build\n_%s() {\n", program, version, name
    print "    local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD - 1]} path= words= flags= i"
    print "    for ((i = 1; i < COMP_CWORD; i++)); do"
    printf "        case \"$path ${COMP_WORDS[i]}\" in %s) path=\"$path ${COMP_WORDS[i]}\" ;; esac\n", \
        case_of_paths()
    print "    done\n    COMPREPLY=()\n    case \"$path:$prev\" in"
    value_cases("COMPREPLY=($(compgen -f -- \"$cur\"))", "true")
    print "    esac\n    case $path in"
    for (i = 1; i <= n_paths; i++) {
        path = paths[i]
        list = ""
        for (k = 1; k <= n_words[path]; k++)
            list = list word_of[path, k] " "
        printf "    %s) words='%s' flags='%s' ;;\n", quoted(path), list, option_names(path)
    }
    print "    esac\n    case $cur in -*) words=$flags ;; esac"
    print "    COMPREPLY=($(compgen -W \"${words:-$flags}\" -- \"$cur\"))\n}"
    printf "complete -o bashdefault -o default -F _%s %s\n", name, program
}

function zsh_item(text, help) {
    gsub(/:/, "\\:", text)
    return quoted(text (help == "" ? "" : ":" help))
}

function zsh_completion(    i, k, path, id) {
    printf "#compdef %s\n# zsh completion of %s %s; made by its build\n", program, program, version
    print "local at= prev=$words[CURRENT-1] i"
    print "local -a next flags"
    print "for ((i = 2; i < CURRENT; i++)); do"
    printf "    case \"$at $words[i]\" in (%s) at=\"$at $words[i]\" ;; esac\n", case_of_paths()
    print "done\ncase \"$at:$prev\" in"
    value_cases("_files", "_message value")
    print "esac\ncase $at in"
    for (i = 1; i <= n_paths; i++) {
        path = paths[i]
        printf "    (%s)\n        next=(", quoted(path)
        for (k = 1; k <= n_words[path]; k++)
            printf "%s%s", (k > 1 ? "\n            " : ""), \
                zsh_item(word_of[path, k], word_help[path, word_of[path, k]])
        printf ")\n        flags=(\n"
        for (k = 1; k <= n_options[path]; k++) {
            id = path SUBSEP k
            printf "            %s\n", zsh_item(flag[id], help_of[id])
        }
        print "            '--help:print the options') ;;"
    }
    print "esac"
    print "if (( $#next )) && [[ $words[CURRENT] != -* ]]; then _describe -t commands command next; return; fi"
    print "if [[ $words[CURRENT] == -* ]]; then _describe -o -t options option flags; else _files; fi"
}

function fish_completion(    i, k, path, id, name, condition, list, short, value) {
    name = "__" program
    gsub(/-/, "_", name)
    printf "# fish completion of %s %s; made by its build\n", program, version
    printf "function %s_at\n    set -l at\n    for word in (commandline -opc)[2..-1]\n", name
    list = case_of_paths()
    gsub(/ [|] /, " ", list)
    printf "        switch \"$at $word\"\n            case %s\n                set at \"$at $word\"\n", list
    print "        end\n    end\n    test \"$at\" = \"$argv[1]\"\nend"
    printf "complete -c %s -l help -d 'print the options'\n", program
    for (i = 1; i <= n_paths; i++) {
        path = paths[i]
        condition = sprintf("complete -c %s -n \"%s_at '%s'\"", program, name, path)
        for (k = 1; k <= n_words[path]; k++)
            printf "%s -f -a %s -d %s\n", condition, word_of[path, k], \
                fish_text(word_help[path, word_of[path, k]])
        for (k = 1; k <= n_options[path]; k++) {
            id = path SUBSEP k
            list = choices[id]
            gsub(/[|]/, " ", list)
            short = ""
            if (letter[id] != "")
                short = " -s " substr(letter[id], 2)
            value = " -x"
            if (arg[id] == "")
                value = ""
            else if (list != "")
                value = " -x -a '" list "'"
            else if (is_path(arg[id]))
                value = " -r"
            printf "%s -l %s%s%s -d %s\n", condition, substr(flag[id], 3), short, value, \
                fish_text(help_of[id])
        }
    }
}

function fish_text(text) {
    gsub(/\\/, "\\\\", text)
    gsub(/'/, "\\'", text)
    return "'" text "'"
}
