#pragma once

#include <new>
#include <optional>
#include <string>

#include "lib/base/error.h"
#include "lib/base/json.h"

namespace r1 {

// Of a record: the code of an error, its message, and whether the same again has a chance; null
// where there is none.
void write_error(JsonWriter& w, const std::optional<Error>& error);

// Prints a record of why a run ends; that it cannot be printed matters less.
void tell_failure(const std::string& record);

// What body() gives. Where it fails, what record(error) says is printed first.
template <typename Body, typename Record>
auto telling_failure(const Body& body, const Record& record) {
  try {
    return body();
  } catch (const Error& e) {
    tell_failure(record(e));
    throw;
  } catch (const std::bad_alloc&) {
    const Error e(ErrorKind::oom_cpu, "out of memory");
    tell_failure(record(e));
    throw e;
  }
}

}  // namespace r1
