// One API Management instance writes its backups, and reads them.

param backupAccountName string
param apimId string
param apimPrincipalId string

var storageBlobDataContributor = 'ba92f5b4-2d11-453d-a403-e96b0029c9fe'

resource backupAccount 'Microsoft.Storage/storageAccounts@2023-05-01' existing = {
  name: backupAccountName
}

resource mayWrite 'Microsoft.Authorization/roleAssignments@2022-04-01' = {
  name: guid(backupAccount.id, apimId, storageBlobDataContributor)
  scope: backupAccount
  properties: {
    description: 'API Management writes its backups there, and reads them.'
    roleDefinitionId: subscriptionResourceId('Microsoft.Authorization/roleDefinitions', storageBlobDataContributor)
    principalId: apimPrincipalId
    principalType: 'ServicePrincipal'
  }
}
