// What every option table keeps to.
#include <algorithm>
#include <map>
#include <set>

#include <gtest/gtest.h>

#include "tests/support/fails.h"
#include "tools/bench/table.h"
#include "tools/common/config_keys.h"
#include "tools/common/docs.h"
#include "tools/common/other_names.h"
#include "tools/common/settings.h"
#include "tools/complete/table.h"
#include "tools/finetune/settings.h"
#include "tools/quantize/settings.h"

namespace r1 {
namespace {

// Letters mean one thing in all tools.
const std::map<char, std::set<std::string>> kLetters = {
    {'h', {"brief-help"}}, {'V', {"version"}}, {'q', {"quiet"}},      {'v', {"verbose"}},
    {'m', {"model"}},      {'p', {"prompt"}},  {'n', {"max-tokens"}}, {'N', {"answers"}},
    {'s', {"seed"}},       {'t', {"threads"}}, {'o', {"output"}},     {'O', {"output-dir"}},
    {'f', {"force"}},      {'w', {"sidecar"}}, {'r', {"recursive"}},  {'L', {"follow"}},
    {'e', {"ext"}},        {'E', {"exclude"}}, {'0', {"null"}},       {'l', {"lang"}}};

struct Tool {
  StandardOptions standard;
  CompleteSettings complete;
  BenchSettings bench;
  QuantizeSettings quantize;
  FinetuneSettings finetune;
  Program program;
  explicit Tool(const std::string& name)
      : program(name == "r1-bench"      ? bench_program(bench, standard)
                : name == "r1-quantize" ? quantize_program(quantize, standard)
                : name == "r1-finetune" ? finetune_program(finetune, standard)
                                        : complete_program(complete, standard)) {}
};

class OptionTable : public testing::TestWithParam<const char*> {
 protected:
  // Everything but what stands for tests alone.
  template <typename Body>
  void each(Body&& body) const {
    for (const Option& o : program_.options) {
      SCOPED_TRACE("--" + o.name);
      body(o);
    }
  }

  Tool tool_{GetParam()};
  const Program& program_ = tool_.program;
};
INSTANTIATE_TEST_SUITE_P(Tools, OptionTable,
                         testing::Values("r1-complete", "r1-bench", "r1-quantize", "r1-finetune"));

TEST_P(OptionTable, NamesAndLettersAreUniqueAndPlain) {
  std::set<std::string> names;
  std::set<char> letters;
  each([&](const Option& o) {
    EXPECT_TRUE(names.insert(o.name).second);
    EXPECT_EQ(o.name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-"), std::string::npos);
    if (o.letter != '\0') {
      EXPECT_TRUE(letters.insert(o.letter).second);
    }
  });
}

TEST_P(OptionTable, ALetterMeansWhatItMeansInEveryTool) {
  each([&](const Option& o) {
    if (o.letter == '\0') return;
    const auto meaning = kLetters.find(o.letter);
    ASSERT_NE(meaning, kLetters.end());
    EXPECT_TRUE(meaning->second.contains(o.name));
  });
}

TEST(ConfigKeys, AreThoseThatSomeToolTakes) {
  std::set<std::string> taken;
  for (const char* name : {"r1-complete", "r1-bench", "r1-quantize", "r1-finetune"}) {
    const Tool tool(name);
    for (const Option& o : tool.program.options)
      if (o.in_config && !o.hidden) taken.insert(o.name);
  }
  const auto keys = config_keys();
  EXPECT_EQ(std::set<std::string>(keys.begin(), keys.end()), taken);
}

TEST(OtherNames, AreOfOptionsThatThereAreAndNoneOfOurs) {
  const Tool tools[] = {Tool("r1-complete"), Tool("r1-bench"), Tool("r1-quantize"),
                        Tool("r1-finetune")};
  const auto has = [](const Tool& tool, std::string_view name) {
    const std::vector<Option>& options = tool.program.options;
    return std::any_of(options.begin(), options.end(),
                       [&](const Option& o) { return o.name == name; });
  };
  for (const auto& [theirs, ours] : other_names()) {
    SCOPED_TRACE(std::string(theirs));
    bool helps = false;
    for (const Tool& tool : tools) helps = helps || (has(tool, ours) && !has(tool, theirs));
    EXPECT_TRUE(helps);
  }
}

TEST_P(OptionTable, HelpIsOneSentenceWithAFullStop) {
  each([](const Option& o) {
    ASSERT_FALSE(o.help.empty());
    EXPECT_TRUE(o.help.ends_with('.'));
    EXPECT_EQ(o.help.find(". "), std::string::npos);
    EXPECT_TRUE(std::isupper(static_cast<unsigned char>(o.help[0])));
    EXPECT_LE(o.help.size(), 100u);
  });
}

TEST_P(OptionTable, AValueHasAMetavarAndASwitchHasNone) {
  each([](const Option& o) {
    const bool flag = std::holds_alternative<bool*>(o.into) ||
                      (std::holds_alternative<std::int64_t*>(o.into) && o.metavar.empty());
    EXPECT_EQ(is_switch(o), flag);
    if (is_switch(o)) {
      EXPECT_TRUE(o.choices.empty());
      EXPECT_EQ(o.completes, Option::Completes::nothing);
    }
    for (const char c : o.metavar) EXPECT_FALSE(std::islower(static_cast<unsigned char>(c)));
  });
}

TEST_P(OptionTable, EachStandsInOneGroupAndGroupsAreNotInterleaved) {
  std::vector<std::string> groups;
  each([&](const Option& o) {
    ASSERT_FALSE(o.group.empty());
    if (groups.empty() || groups.back() != o.group) groups.push_back(o.group);
  });
  EXPECT_EQ(std::set<std::string>(groups.begin(), groups.end()).size(), groups.size());
}

TEST_P(OptionTable, ADefaultIsAmongTheChoicesAndInTheRange) {
  each([](const Option& o) {
    const std::string value = value_text(o);
    if (is_switch(o) || value.empty() || o.unit != Option::Unit::none || !o.built_in.empty())
      return;
    EXPECT_NO_THROW(set_value(o, value, "--" + o.name, true));
  });
}

TEST_P(OptionTable, OptionsNameOthersThatAreThere) {
  std::set<std::string> names;
  each([&](const Option& o) { names.insert(o.name); });
  each([&](const Option& o) {
    for (const std::string& other : o.gives_way_to) EXPECT_TRUE(names.contains(other)) << other;
    for (const std::string& other : o.idle_with) EXPECT_TRUE(names.contains(other)) << other;
    for (const Option::Want& want : o.wants) EXPECT_TRUE(names.contains(want.option));
  });
}

TEST(Options, WhatWouldChangeNothingIsRefusedOnTheCommandLineAlone) {
  const auto refuse = [](const std::vector<std::string>& arguments, const std::string& reason) {
    Tool tool("r1-bench");
    const std::vector<Given> given = parse_command_line(tool.program, arguments);
    Settings(tool.program, given).from_command_line();
    if (reason.empty()) {
      EXPECT_NO_THROW(check_given(tool.program, given));
    } else {
      EXPECT_FAILS(ErrorKind::usage, reason, check_given(tool.program, given));
    }
  };
  refuse({"--rate", "5", "-m", "m"}, "--rate wants --serve");
  refuse({"--rate", "5", "--serve"}, "");
  refuse({"--spread", "2", "--serve", "--lengths", "f"}, "--spread changes nothing with --lengths");
  refuse({"--plot", ""}, "--plot wants FILE, and '' is none");
  refuse({"--serve", "-m", "m", "--depth", "4"}, "--depth changes nothing with --serve");
  refuse({"-m", "m", "--depth", "4"}, "");
}

TEST_P(OptionTable, AShareMayBeSaidInPercent) {
  each([](const Option& o) {
    auto* const* value = std::get_if<double*>(&o.into);
    if (value == nullptr) return;
    const auto set = [&](const char* text) { set_value(o, text, o.name, true); };
    if (o.most > 1) {
      EXPECT_FAILS(ErrorKind::usage, "a number", set("25%"));
      return;
    }
    set("25%");
    EXPECT_EQ(**value, 0.25);
    EXPECT_FAILS(ErrorKind::usage, "101%", set("101%"));
    EXPECT_FAILS(ErrorKind::usage, "a number", set("%"));
  });
}

TEST_P(OptionTable, EveryOptionIsInTheHelpTheManualAndAllCompletions) {
  const std::string help = help_text(program_, false);
  const std::string man = man_page(program_, "@OPTIONS@\n");
  std::string bash = completion(program_, "bash");
  std::replace(bash.begin(), bash.end(), '\'', ' ');
  for (const Option& o : program_.options) {
    std::string escaped_name = o.name;
    for (std::size_t at = 0; (at = escaped_name.find('-', at)) != std::string::npos; at += 2)
      escaped_name.insert(at, "\\");
    SCOPED_TRACE("--" + o.name);
    const bool shown = !o.hidden;
    EXPECT_EQ(
        help.find("--" + o.name + (is_switch(o) ? " " : " " + o.metavar)) != std::string::npos,
        shown);
    EXPECT_EQ(man.find("\\-\\-" + escaped_name + "\\fR") != std::string::npos, shown);
    EXPECT_EQ(bash.find(" --" + o.name + " ") != std::string::npos, shown);
    EXPECT_EQ(completion(program_, "zsh").find("'*--" + o.name + (is_switch(o) ? "[" : "=[")) !=
                  std::string::npos,
              shown);
    EXPECT_EQ(completion(program_, "fish").find(" -l " + o.name + " ") != std::string::npos, shown);
  }
}

}  // namespace
}  // namespace r1
