#include "tools/common/failures.h"

#include "tools/common/results.h"

namespace r1 {

void write_error(JsonWriter& w, const std::optional<Error>& error) {
  if (!error) {
    w.null();
    return;
  }
  w.begin_object().key("code").string(code(error->kind())).key("message").string(error->what());
  w.key("retryable").boolean(retryable(error->kind())).end_object();
}

void tell_failure(const std::string& record) {
  if (record.empty()) return;
  try {
    print_whole(record);
  } catch (const Error&) {
  }
}

}  // namespace r1
