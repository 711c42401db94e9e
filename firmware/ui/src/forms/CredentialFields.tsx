// A camera's user name and password, apart from its URL. What the box has is kept until it is changed or removed.
import { Button, Field } from "../components";
import { Around } from "./Around";
import { NO_CREDENTIALS, type Credentials } from "./credentials";
import { PasswordField } from "./Secret";

export function CredentialFields({ value, had, onChange }: {
  value: Credentials;
  /** The box has some. */
  had: boolean;
  onChange: (value: Credentials) => void;
}) {
  if (value.are !== "typed") {
    return (
      <Around label="User name and password" group>{() => (
        <span class="kept">
          <span class="soft">{value.are === "kept" ? "Kept, not shown." : "Will be removed when you save."}</span>
          {value.are === "removed" && <Button look="quiet" onClick={() => onChange({ are: "kept" })}>Keep them</Button>}
          {value.are === "kept" && <>
            <Button look="quiet" onClick={() => onChange(NO_CREDENTIALS)}>Change<span class="unseen"> user name and password</span></Button>
            <Button look="quiet" onClick={() => onChange({ are: "removed" })}>Remove<span class="unseen"> user name and password</span></Button>
          </>}
        </span>)}
      </Around>
    );
  }
  return (
    <>
      <div class="pair">
        <Field label="User name" value={value.username} autocomplete="off" data-1p-ignore onValue={(username) => onChange({ ...value, username })} />
        <PasswordField label="Password" value={value.password} autocomplete="off" onValue={(password) => onChange({ ...value, password })} />
      </div>
      {had && <p><Button look="quiet" onClick={() => onChange({ are: "kept" })}>Keep the old ones</Button></p>}
    </>
  );
}
