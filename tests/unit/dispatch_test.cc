// Which row of kernels is used.
#include "kernel_rows.h"

namespace {

using namespace kernel_rows;

// Sets $Q_ISA for as long as it lives.
class ForcedIsa {
 public:
  explicit ForcedIsa(const char* name) {
    if (const char* value = std::getenv("Q_ISA")) before_ = value;
    set(name);
  }
  ~ForcedIsa() { set(before_.empty() ? nullptr : before_.c_str()); }

 private:
  static void set(const char* value) { value ? setenv("Q_ISA", value, 1) : unsetenv("Q_ISA"); }
  std::string before_;
};

TEST(Dispatch, GenericIsTheFirstRowAndRunsEverywhere) {
  ASSERT_FALSE(q::isas().empty());
  EXPECT_STREQ(q::isas().front()->name, "generic");
  EXPECT_TRUE(q::supported(*q::isas().front()));
}

TEST(Dispatch, EveryRowIsItselfOrRefused) {
  for (const Isa* isa : q::isas()) {
    const Kernels* kernels = q::kernels_up_to(isa->name);
    ASSERT_EQ(kernels != nullptr, q::supported(*isa)) << isa->name;
    if (kernels) {
      EXPECT_STREQ(kernels->name, isa->name);
    }
  }
}

TEST(Dispatch, AnUnknownRowIsRefused) {
  EXPECT_EQ(q::kernels_up_to("avx1024"), nullptr);
  const ForcedIsa forced("avx1024");
  EXPECT_EQ(q::kernels_up_to(""), nullptr);
}

TEST(Dispatch, TheEnvironmentChoosesWhenNothingElseDoes) {
  const ForcedIsa forced("generic");
  EXPECT_EQ(q::kernels_up_to(""), q::kernels_up_to("generic"));
}

TEST(Dispatch, ANameGoesBeforeTheEnvironment) {
  const ForcedIsa forced("avx1024");
  EXPECT_STREQ(q::kernels_up_to("generic")->name, "generic");
}

TEST(Dispatch, TheBestSupportedRowIsTheDefault) {
  const ForcedIsa none(nullptr);
  const char* best = nullptr;
  for (const Isa* isa : q::isas()) {
    if (q::supported(*isa)) best = isa->name;
  }
  ASSERT_NE(q::kernels_up_to(""), nullptr);
  EXPECT_STREQ(q::kernels_up_to("")->name, best);
}

TEST(Dispatch, AnEmptyVariableIsNone) {
  const ForcedIsa empty("");
  EXPECT_NE(q::kernels_up_to(""), nullptr);
}

}  // namespace
