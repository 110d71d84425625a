# cmake -DOUT=migrations.c -DSQL="a.sql;b.sql;settings.sql" -P embed_sql.cmake
# Bytes, not string literals: C guarantees literals of 4,095 characters only.
set(arrays "")
set(rows "")
foreach(path IN LISTS SQL)
  get_filename_component(name ${path} NAME_WE)
  file(READ ${path} hex HEX)
  string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
  string(REGEX REPLACE "((0x..,){16})" "\\1\n" bytes "${bytes}")
  if(name STREQUAL "settings")
    string(APPEND arrays "const char SETTINGS_SQL[] = {\n${bytes}0};\n")
  else()
    string(APPEND arrays "static const char SQL_${name}[] = {\n${bytes}0};\n")
    string(APPEND rows "    {\"${name}\", SQL_${name}},\n")
  endif()
endforeach()
file(WRITE ${OUT} "#include \"store/migrations.h\"\n\n${arrays}\nconst struct migration MIGRATIONS[] = {\n${rows}};\n"
  "const size_t MIGRATION_COUNT = sizeof(MIGRATIONS) / sizeof(MIGRATIONS[0]);\n")
