# Writes the files of FOLDER (FILES, relative to it) as arrays into OUTPUT, a source of src/server/web_page.h:
#   cmake -DFOLDER=... -DFILES=a,b -DOUTPUT=... -P EmbedFiles.cmake
set(arrays "")
set(table "")
string(REPLACE "," ";" FILES "${FILES}")
foreach(name ${FILES})
  file(READ ${FOLDER}/${name} hex HEX)
  file(SHA256 ${FOLDER}/${name} digest)
  string(SUBSTRING ${digest} 0 16 digest)
  string(REGEX REPLACE "(..)" "0x\\1," bytes "${hex}")
  string(MAKE_C_IDENTIFIER ${name} identifier)
  string(APPEND arrays "constexpr unsigned char ${identifier}[] = {${bytes}0};\n")
  string(APPEND table "    {\"${name}\", {reinterpret_cast<const char*>(${identifier}), sizeof(${identifier}) - 1}, \"\\\"${digest}\\\"\"},\n")
endforeach()
file(WRITE ${OUTPUT} "#include \"server/web_page.h\"\n\nnamespace sluice {\nnamespace {\n${arrays}}  // namespace\n\n"
     "std::span<const WebFile> web_files() {\n  static const WebFile files[] = {\n${table}  };\n  return files;\n}\n\n}  // namespace sluice\n")
