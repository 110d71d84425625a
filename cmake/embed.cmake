# cmake -DOUT=file.c -DHEADER=worker/web.h "-DFILES=a;b" -P embed.cmake
# Writes each file as `const struct text WEB_<NAME>`, byte for byte.
set(content "#include \"${HEADER}\"\n")
foreach(file ${FILES})
  get_filename_component(name ${file} NAME)
  string(REPLACE "." "_" name ${name})
  string(TOUPPER ${name} name)
  file(READ ${file} hex HEX)
  string(LENGTH "${hex}" digits)
  math(EXPR bytes "${digits} / 2")
  string(REGEX REPLACE "(................................)" "\\1\n" hex "${hex}")
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1, " hex "${hex}")
  string(APPEND content "static const unsigned char ${name}[] = {\n${hex}\n};\n"
    "const struct text WEB_${name} = {(const char *)${name}, ${bytes}};\n")
endforeach()
file(WRITE ${OUT} "${content}")
